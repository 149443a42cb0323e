"""Whatever goes wrong, a server at its most talkative tells no secret and no content: its log, its figures, its errors,
and the events of runs that fail. The suite's ears hear what is said; here it is made to be said."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.e2e.service import Service, parley, running
from tests.e2e.sse import read
from tests.support.canaries.listening import EVENT
from tests.support.canaries.marks import canary
from tests.support.canaries.plugin import EARS
from tests.support.canaries.watch import Leak
from tests.support.issuer import AUDIENCE, SECRET
from tests.support.mcp.actions import execute, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.upstream import Delta, ScriptedUpstream, answer, refusal

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(540)

_GATEWAY = "/api/v1/llm/gateway"
_KEY, _HEADER, _PEPPER = canary("provider-key"), canary("provider-header"), canary("pepper")
_IN_TOOL, _RESULT, _PROMPT, _ANSWER = (canary(kind) for kind in ("tool-argument", "tool-result", "prompt", "answer"))
_SYSTEM, _TOOL_ENV = canary("system-prompt"), canary("tool-environment")
_ISSUER = "https://issuer.example"


def _configuration(folder: Path, upstream: ScriptedUpstream) -> Path:
    mcp = ScriptedMcp(folder / "mcp")
    mcp.tool("note", execute(), reply(_RESULT))
    mcp.tool("break", execute(), reply(_RESULT, isError=True))
    file = folder / "parley.toml"
    file.write_text(
        f'[[providers]]\nname = "acme"\nbase_url = "{upstream.base_url}"\napi_key = "{_KEY}"\n'
        f'headers = {{ X-Team = "{_HEADER}" }}\nmodels = ["m"]\n\n'
        + mcp.toml("desk", policy='"AUTO"', env=f'{{ TOOL_SECRET = "{_TOOL_ENV}" }}')
    )
    return file


def _calls(tool: str) -> Delta:
    arguments = json.dumps({"text": _IN_TOOL})
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": f"desk__{tool}", "arguments": arguments}}
    return Delta({"tool_calls": [call]})


class Talk:
    """A thread on the service, and what its runs end with."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def call(self, method: str, **body: Any) -> httpx.Response:
        return await self._client.post(f"{_GATEWAY}/{method}", json={"conversation_key": "k", **body})

    async def ask(self) -> list[tuple[str, Any]]:
        """Ask with the canary, and see the answer to its end."""
        reply = await self.call("generate", user_message={"role": "user", "content": f"Is {_PROMPT} a bird?"})
        seen = [(event.name, event.data) for event in read(reply.raise_for_status())]
        EARS.watch.saw(EVENT, json.dumps([data["runEnded"] for name, data in seen if name == "run_ended"]))
        return seen


def _token(**claims: Any) -> str:
    now = int(time.time())
    known = {"iss": _ISSUER, "aud": AUDIENCE, "sub": "anna", "tenant_id": "acme", "iat": now, "exp": now + 600}
    return jwt.encode({**known, **claims}, SECRET, "HS256")


def _heard(service: Service) -> list[Leak]:
    """What got out so far; asked before the suite asks."""
    EARS.catch_up()
    assert "call" in service.output
    return EARS.watch.leaks()


async def test_a_talkative_server_tells_no_secret_and_no_content(data: Path, tmp_path: Path) -> None:
    async with ScriptedUpstream(default=refusal(500, message=f"cannot {_KEY}")) as upstream:
        flags = ("--config", str(_configuration(tmp_path, upstream)))
        env = {
            "PARLEY_LOG_LEVEL": "debug",
            "PARLEY_KEY_PEPPER": _PEPPER,
            "PARLEY_JWT_SECRET": SECRET,
            "PARLEY_JWT_ISSUER": _ISSUER,
            "PARLEY_JWT_AUDIENCE": AUDIENCE,
        }
        with running(data, *flags, env=env) as service:
            headers = {"Authorization": f"Bearer {_token()}"}
            async with httpx.AsyncClient(base_url=service.base, headers=headers, timeout=60, trust_env=False) as client:
                talk = Talk(client)
                (await talk.call("create-thread", name="n")).raise_for_status()
                chosen = {"system_prompt": _SYSTEM, "mcp_servers": {"names": ["desk"]}}
                (await talk.call("update-settings", settings=chosen)).raise_for_status()
                await _answers(upstream, talk)
                await _failures(upstream, talk)
                await _refusals(talk, client)
                figures = await client.get("/metrics")
                assert "parley_rpc_calls" in figures.text
            assert service.stop() == 0
            assert _heard(service) == []


async def _answers(upstream: ScriptedUpstream, talk: Talk) -> None:
    """Content goes where it belongs: to the model, the tool and back."""
    for tool in ("note", "break"):
        upstream.script(answer(_calls(tool), finish_reason="tool_calls"), answer(_ANSWER))
        told = json.dumps(await talk.ask())
        assert all(secret in told for secret in (_PROMPT, _ANSWER, _RESULT, _IN_TOOL))
    sent = json.dumps([request.body for request in upstream.requests])
    assert all(secret in sent for secret in (_PROMPT, _SYSTEM, _RESULT, _IN_TOOL))
    assert {request.headers["authorization"] for request in upstream.requests} == {f"Bearer {_KEY}"}


async def _failures(upstream: ScriptedUpstream, talk: Talk) -> None:
    """The provider repeats what it was given, in every kind of failure that is told."""
    for said in (f"the key {_KEY}", f"the header {_HEADER}", f"cannot read: Is {_PROMPT} a bird?", f"bad {_IN_TOOL}"):
        for status in (400, 401, 403, 404, 422):
            upstream.script(refusal(status, message=said))
            name, ended = (await talk.ask())[-1]
            assert (name, ended["runEnded"]["status"]) == ("run_ended", "FAILED")
    upstream.script(answer(b'data: {"error": {"message": "cut: %s"}}\n\n' % _KEY.encode()))
    await talk.ask()
    upstream.script(answer(b"data: {" + _ANSWER.encode() + b"\n\n"))
    await talk.ask()


async def _refusals(talk: Talk, client: httpx.AsyncClient) -> None:
    """Callers' mistakes with content and credentials in them."""
    odd = {"role": "assistant", "content": _PROMPT}
    assert (await talk.call("send-message", user_message=odd)).status_code == 400
    assert (await talk.call("send-message", user_message={"content": [_PROMPT]})).status_code == 400
    assert (await talk.call("send-message", user_message=_PROMPT)).status_code == 400
    assert (await client.post(f"{_GATEWAY}/send-message", content=f'{{"{_PROMPT}'.encode())).status_code == 400
    for token in (_token(exp=1), _token(aud="others"), _token() + "x", SECRET, f"{_token()}.{_KEY}"):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.post(f"{_GATEWAY}/list-threads", json={}, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:{}@127.0.0.1:1/parley",
        "postgresql://anna:{}@127.0.0.1:port/parley",
        "mysql://anna:{}@127.0.0.1/parley",
        "postgresql://anna:{}@[::1/parley",
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(data: Path, url: str) -> None:
    pytest.importorskip("asyncpg", reason="PostgreSQL needs asyncpg (extra `postgres`)")
    password = canary("database-password")
    flags = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    for variables in ({"PARLEY_DATABASE": url.format(password)}, {"PARLEY_DATABASE": url.format(password) + "?x=1"}):
        done = parley("serve", "--data", data, *flags, env={**variables, "PARLEY_LOG_LEVEL": "debug"})
        assert done.returncode, done.stdout
        assert password not in done.stdout + done.stderr
