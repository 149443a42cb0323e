"""Use cases of chat sessions: talks with one model each within a conversation of an organization."""

from server.application.catalogue import Catalogue
from server.application.membership import require
from server.application.organization_conversations import find_in
from server.application.repeats import Repeats
from server.application.runs import Runs, SendMessage
from server.application.viewpoints import Viewpoint, find_seen
from server.domain.errors import ConversationNotFound, RunNotFound, SessionNotFound
from server.domain.ids import ConversationId, ModelId, OrganizationId, SessionId
from server.domain.organization import MemberRole
from server.domain.principal import Owner, Principal
from server.domain.run import Run
from server.domain.session import ChatSession
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids


class Sessions:
    """Chat sessions of a caller. Every use case raises `NotAMember`, `RoleMissing` (it needs a Member), and
    `UnknownModel` or `ModelInactive` when the organization cannot use the model."""

    def __init__(
        self, *, store: Store, clock: Clock, ids: Ids, catalogue: Catalogue, runs: Runs, repeats: Repeats
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._catalogue = catalogue
        self._runs = runs
        self._repeats = repeats

    async def open(
        self,
        principal: Principal,
        organization_id: OrganizationId,
        *,
        conversation_id: ConversationId,
        model_id: ModelId,
    ) -> ChatSession:
        """Open a session. Raises `ConversationNotFound`."""
        now = self._clock.now()
        session = ChatSession(
            id=SessionId(str(self._ids.uuid())),
            conversation_id=conversation_id,
            model_id=model_id,
            created_at=now,
            updated_at=now,
        )

        async def unit(tx: Transaction) -> ChatSession:
            await require(tx, organization_id, MemberRole.MEMBER)
            await find_in(tx, organization_id, conversation_id)
            await self._catalogue.usable(tx, organization_id, model_id)
            await tx.sessions.add(session)
            return session

        return (
            await self._repeats.write(principal, ChatSession, unit, of=lambda session: session.conversation_id)
        ).result

    async def send(
        self,
        principal: Principal,
        organization_id: OrganizationId,
        *,
        session_id: SessionId,
        content: str,
        request_id: str = "",
    ) -> Run:
        """Send a message in a session, to its model. Raises `SessionNotFound` and what `Runs.send` raises."""

        async def permitted(tx: Transaction) -> None:
            await require(tx, organization_id, MemberRole.MEMBER)

        async def unit(tx: Transaction) -> SendMessage:
            await permitted(tx)
            session = await tx.sessions.get(session_id)
            if session is None:
                raise SessionNotFound(session_id)
            conversation = await find_in(tx, organization_id, session.conversation_id)
            return SendMessage(
                conversation_key=conversation.key,
                content=content,
                request_id=request_id,
                session_id=session_id,
                model=await self._catalogue.usable(tx, organization_id, session.model_id),
            )

        command = await self._store.read(principal.owner, unit)
        # Asked again where it counts: the role may change between the two transactions.
        return await self._runs.send(principal, command, prepare=permitted)

    async def resume(self, owner: Owner, organization_id: OrganizationId, seen: Viewpoint) -> Run:
        """The run of an accepted message, of whose answer so much was seen. It sends nothing, so a Guest may.

        Raises `RunNotFound` (also for one of another organization's conversation) and `CursorInFuture`.
        """

        async def unit(tx: Transaction) -> Run:
            await require(tx, organization_id)
            run, conversation = await find_seen(tx, seen)
            try:
                await find_in(tx, organization_id, conversation.id)
            except ConversationNotFound:
                raise RunNotFound(run.id) from None
            return run

        return await self._store.read(owner, unit)
