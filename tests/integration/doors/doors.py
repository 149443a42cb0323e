"""The four documented APIs as one interface: what each calls a conversation, on its own routes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx

from tests.integration.doors.events import events

Exchange = tuple[str, str]
"""Role and text of a message."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation in a door's list. What a door does not show is `None`."""

    name: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message as a door shows it."""

    role: str
    text: str
    time: datetime
    id: str
    model: str | None = None


class Door(Protocol):
    """One API with the credential of one user."""

    async def make(self, name: str, text: str) -> str:
        """Make a conversation of that name, send a message to it and wait for the answer; returns its id."""
        ...

    async def send(self, conversation: str, text: str) -> None:
        """Send a message to any conversation and wait for the answer."""
        ...

    async def listed(self) -> dict[str, Listed]:
        """The user's conversations by id."""
        ...

    async def said(self, conversation: str) -> list[Said]:
        """The messages of any conversation."""
        ...

    async def rename(self, conversation: str, name: str) -> None:
        """Give any conversation another name."""
        ...


class _Http:
    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {key}"}

    async def call(self, verb: str, path: str, body: object = None, **query: object) -> Any:
        """The reply's JSON. Raises `httpx.HTTPStatusError`."""
        reply = await self._client.request(verb, path, headers=self._headers, params=_text(query), json=body)
        return reply.raise_for_status().json()

    async def stream(self, path: str, body: object, **query: object) -> list[tuple[str, Any]]:
        """Every event of a stream that ends by itself: its name and its data."""
        request = self._client.build_request("POST", path, headers=self._headers, params=_text(query), json=body)
        reply = await self._client.send(request, stream=True)
        try:
            reply.raise_for_status()
            return [event async for event in events(reply)]
        finally:
            await reply.aclose()


class ThreadsDoor(_Http):
    """The threads API."""

    _PREFIX = "/api/v1/llm/gateway"

    async def make(self, name: str, text: str) -> str:
        """See `Door`."""
        thread = await self.call("POST", f"{self._PREFIX}/create-thread", {"name": name})
        await self.send(thread["id"], text)
        return str(thread["id"])

    async def send(self, conversation: str, text: str) -> None:
        """See `Door`."""
        body = {"conversation_key": await self.key(conversation), "user_message": {"role": "user", "content": text}}
        await self.stream(f"{self._PREFIX}/generate", body)

    async def listed(self) -> dict[str, Listed]:
        """See `Door`."""
        return {
            thread["id"]: Listed(thread["name"], _moment(thread["createdAt"]), _moment(thread["updatedAt"]))
            for thread in await self._threads()
        }

    async def said(self, conversation: str) -> list[Said]:
        """See `Door`."""
        body = {"conversation_key": await self.key(conversation)}
        state = await self.call("POST", f"{self._PREFIX}/conversation-state", body)
        return [
            Said(each["role"], each["content"], _moment(each["createdAt"]), each["id"], each.get("model"))
            for each in state["messages"]
        ]

    async def rename(self, conversation: str, name: str) -> None:
        """See `Door`."""
        body = {"conversation_key": await self.key(conversation), "name": name}
        await self.call("POST", f"{self._PREFIX}/update-thread", body)

    async def delete(self, conversation: str) -> None:
        """Destroy any conversation."""
        body = {"conversation_key": await self.key(conversation)}
        await self.call("POST", f"{self._PREFIX}/delete-thread", body)

    async def _threads(self) -> Sequence[Any]:
        body = {"include_archived": True}
        threads: Sequence[Any] = (await self.call("POST", f"{self._PREFIX}/list-threads", body))["threads"]
        return threads

    async def key(self, conversation: str) -> str:
        """This API names conversations by their key."""
        keys = {thread["id"]: str(thread["conversationKey"]) for thread in await self._threads()}
        return keys[conversation]


class ArchiveDoor(_Http):
    """The archive API."""

    _PREFIX = "/api/v3"

    async def make(self, name: str, text: str) -> str:
        """See `Door`. This API cannot name what it makes: the name is given afterwards, through another door."""
        message = await self.call("POST", f"{self._PREFIX}/chat", {"message": text})
        made = next(each for each in await self._found() if message["id"] in [said["id"] for said in each["messages"]])
        await ThreadsDoor(self._client, self._headers["authorization"].split()[1]).rename(made["id"], name)
        return str(made["id"])

    async def send(self, conversation: str, text: str) -> None:
        """See `Door`."""
        await self.call("POST", f"{self._PREFIX}/chat", {"conversation_id": conversation, "message": text})

    async def listed(self) -> dict[str, Listed]:
        """See `Door`."""
        return {
            each["id"]: Listed(
                each["name"],
                _milliseconds(each["created"]["timestamp"]),
                _milliseconds(each["updated"]["timestamp"]),
                each["model"],
            )
            for each in await self._found()
        }

    async def said(self, conversation: str) -> list[Said]:
        """See `Door`."""
        found = await self.call("POST", f"{self._PREFIX}/conversation/get", entity_id=conversation)
        return [
            Said(each["role"], each["content"], _milliseconds(each["timestamp"]), each["id"], each["model"])
            for each in found["messages"]
        ]

    async def rename(self, conversation: str, name: str) -> None:
        """See `Door`: this one has no such route."""
        raise NotImplementedError

    async def delete(self, conversation: str) -> None:
        """Destroy any conversation."""
        await self.call("POST", f"{self._PREFIX}/conversation/delete", entity_id=conversation)

    async def _found(self) -> Sequence[Any]:
        found: Sequence[Any] = await self.call("POST", f"{self._PREFIX}/conversation/find", {})
        return found


class ChatDoor(_Http):
    """The chat API."""

    async def make(self, name: str, text: str) -> str:
        """See `Door`."""
        body = {"message": text, "generate_title": False, "use_cache": False}
        chat = (await self.call("POST", "/chat/prompt", body))["chat_id"]
        await self.rename(chat, name)
        return str(chat)

    async def send(self, conversation: str, text: str) -> None:
        """See `Door`."""
        await self.call("POST", "/chat/prompt", {"message": text, "chat_id": conversation, "generate_title": False})

    async def listed(self) -> dict[str, Listed]:
        """See `Door`."""
        chats = (await self.call("GET", "/chat/", limit=100))["chats"]
        return {chat["id"]: Listed(chat["title"], updated_at=_moment(chat["updated_at"])) for chat in chats}

    async def said(self, conversation: str) -> list[Said]:
        """See `Door`."""
        messages = (await self.call("GET", f"/chat/messages/{conversation}"))["messages"]
        return [Said(each["role"], each["content"], _moment(each["created_at"]), each["id"]) for each in messages]

    async def rename(self, conversation: str, name: str) -> None:
        """See `Door`."""
        await self.call("PUT", f"/chat/rename/{conversation}", {"title": name})


class ConversationsDoor(_Http):
    """The conversations API, in the tenant's default organization."""

    _PREFIX = "/api/conversation"

    async def make(self, name: str, text: str) -> str:
        """See `Door`."""
        made = await self.call("POST", f"{self._PREFIX}/create", {"title": name}, org_id=await self._organization())
        await self.send(made["id"], text)
        return str(made["id"])

    async def send(self, conversation: str, text: str) -> None:
        """See `Door`."""
        organization = await self._organization()
        model = (await self.call("GET", "/api/llm/list", org_id=organization))[0]["id"]
        opened = {"conversation_id": conversation, "model_id": model}
        session = await self.call("POST", f"{self._PREFIX}/create_session", opened, org_id=organization)
        chat = {"chat_session_id": session["id"], "message": text}
        await self.stream(f"{self._PREFIX}/stream_chat", chat, org_id=organization)

    async def listed(self) -> dict[str, Listed]:
        """See `Door`."""
        found = await self.call("GET", f"{self._PREFIX}/list", org_id=await self._organization())
        return {
            each["id"]: Listed(each["title"], _moment(each["created_at"]), _moment(each["updated_at"]))
            for each in found
        }

    async def said(self, conversation: str) -> list[Said]:
        """See `Door`."""
        names = {"org_id": await self._organization(), "conversation_id": conversation}
        messages = (await self.call("GET", f"{self._PREFIX}/messages", limit=100, **names))["messages"]
        models = {each["id"]: each["name"] for each in await self.call("GET", "/api/llm/list", org_id=names["org_id"])}
        return [
            Said(each["role"], each["content"], _moment(each["created_at"]), each["id"], models.get(each["model_id"]))
            for each in messages
        ]

    async def rename(self, conversation: str, name: str) -> None:
        """See `Door`."""
        names = {"org_id": await self._organization(), "conversation_id": conversation}
        await self.call("PUT", f"{self._PREFIX}/update", {"title": name}, **names)

    async def delete(self, conversation: str) -> None:
        """Destroy any conversation."""
        names = {"org_id": await self._organization(), "conversation_id": conversation}
        await self.call("DELETE", f"{self._PREFIX}/remove", **names)

    async def _organization(self) -> str:
        return str((await self.call("GET", "/api/org/list"))[0]["id"])


def _text(query: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items()}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _milliseconds(count: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=count)
