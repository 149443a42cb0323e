"""Plays a script: answers requests, does what the steps of a called tool say, writes ledger and log.

The script is a JSON file that is read anew for each message, so a test can change it at any time.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

_POLL: Final = 0.005
Message = dict[str, Any]


def save_script(directory: Path, script: Mapping[str, Any]) -> None:
    """Replace a directory's script in one step: its server may be reading it."""
    new = directory / "script.new"
    new.write_text(json.dumps(script))
    new.replace(directory / "script.json")


class Out(Protocol):
    """Where a player's messages go."""

    async def send(self, message: Message) -> None:
        """Send one message."""

    async def raw(self, data: bytes) -> None:
        """Write bytes that may be none."""

    async def leave(self, code: int) -> None:
        """Be gone without another word."""

    def deafen(self) -> None:
        """Read no more."""


class Player:
    """One server. Its state between processes is in its directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._asked = 0
        self._held: list[asyncio.Event] = []

    @property
    def script(self) -> dict[str, Any]:
        """The script as it is now."""
        loaded: dict[str, Any] = json.loads((self._directory / "script.json").read_text())
        return loaded

    async def started(self) -> None:
        """Do what the script says of starting."""
        self.note("log", {"started": os.getpid()})
        start = self.script.get("start", {})
        if "gate" in start:
            await self._gate(start["gate"])
        if "exit" in start:
            sys.exit(start["exit"])

    async def take(self, message: Message, out: Out) -> None:
        """Handle one message to its end."""
        method, params = message.get("method"), message.get("params") or {}
        self.note("log", {"method": method, "id": message.get("id"), "params": params, "message": message})
        if method is None or "id" not in message:
            return
        match "" if method in self.script.get("unknown", ()) else method:
            case "initialize":
                await self._answer(message, out, self._greeting(params))
            case "tools/list":
                await self._answer(message, out, self._page(params))
            case "tools/call":
                await self._call(message, params, out)
            case "ping":
                await self._answer(message, out, {})
            case _:
                error = {"code": -32601, "message": "no such method"}
                await out.send({"jsonrpc": "2.0", "id": message["id"], "error": error})

    def note(self, kind: str, entry: dict[str, Any]) -> None:
        """Append a line to a file of the directory, all at once."""
        line = json.dumps(entry) + "\n"
        descriptor = os.open(self._directory / f"{kind}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def _greeting(self, params: dict[str, Any]) -> dict[str, Any]:
        usual = {
            "protocolVersion": params.get("protocolVersion", "2025-11-25"),
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "scripted", "version": "7"},
        }
        return {**usual, **self.script.get("greeting", {})}

    def _page(self, params: dict[str, Any]) -> dict[str, Any]:
        script = self.script
        if "page" in script:
            return {"tools": script["page"]}
        tools: list[Any] = script["tools"]
        size = script.get("page_size") or len(tools) or 1
        begin = int(params.get("cursor") or 0)
        page: dict[str, Any] = {"tools": tools[begin : begin + size]}
        if begin + size < len(tools) or script.get("loops"):
            page["nextCursor"] = str((begin + size) % max(len(tools), 1))
        return page

    async def _call(self, message: Message, params: dict[str, Any], out: Out) -> None:
        steps = self.script["does"].get(
            params.get("name"), [{"do": "error", "error": {"code": -32602, "message": "?"}}]
        )
        held: asyncio.Event | None = None
        for step in steps:
            if step["do"] == "swap":
                held = await self._swap(step["count"])
            else:
                await self._do(step, message, params, out)
        if held is not None:
            self._let_go(held)

    async def _do(self, step: dict[str, Any], message: Message, params: dict[str, Any], out: Out) -> None:
        doing: Callable[[dict[str, Any], Message, dict[str, Any], Out], Awaitable[None]]
        doing = getattr(self, f"_{step['do']}")
        await doing(step, message, params, out)

    async def _execute(self, _: dict[str, Any], __: Message, params: dict[str, Any], ___: Out) -> None:
        arguments, meta = params.get("arguments"), params.get("_meta") or {}
        self.note("ledger", {"tool": params["name"], "arguments": arguments, "meta": meta, "pid": os.getpid()})

    async def _reply(self, step: dict[str, Any], message: Message, _: dict[str, Any], out: Out) -> None:
        await self._answer(message, out, step["result"])

    async def _error(self, step: dict[str, Any], message: Message, _: dict[str, Any], out: Out) -> None:
        await out.send({"jsonrpc": "2.0", "id": message["id"], "error": step["error"]})

    async def _wait(self, step: dict[str, Any], *_: object) -> None:
        await self._gate(step["gate"])

    async def _leave(self, step: dict[str, Any], _: Message, __: dict[str, Any], out: Out) -> None:
        await out.leave(step["code"])

    async def _notify(self, step: dict[str, Any], _: Message, __: dict[str, Any], out: Out) -> None:
        for _count in range(step["times"]):
            await out.send({"jsonrpc": "2.0", "method": step["method"], "params": step["params"]})

    async def _ask(self, step: dict[str, Any], _: Message, __: dict[str, Any], out: Out) -> None:
        for _count in range(step["times"]):
            self._asked += 1
            question = {"jsonrpc": "2.0", "id": f"own-{self._asked}", "method": step["method"]}
            await out.send({**question, "params": step["params"]})

    async def _raw(self, step: dict[str, Any], _: Message, __: dict[str, Any], out: Out) -> None:
        for _count in range(step["times"]):
            await out.raw(step["text"].encode())

    async def _complain(self, step: dict[str, Any], *_: object) -> None:
        sys.stderr.write("x" * step["size"])
        sys.stderr.flush()

    async def _environment(self, _: dict[str, Any], message: Message, __: dict[str, Any], out: Out) -> None:
        await self._answer(message, out, {"content": [{"type": "text", "text": json.dumps(dict(os.environ))}]})

    async def _deafen(self, _: dict[str, Any], __: Message, ___: dict[str, Any], out: Out) -> None:
        out.deafen()

    async def _script(self, step: dict[str, Any], *_: object) -> None:
        save_script(self._directory, {**self.script, **step["changes"]})

    async def _spawn(self, step: dict[str, Any], *_: object) -> None:
        deaf = f"signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN);" if step["ignores_signals"] else ""
        code = f"import signal,time;{deaf}print(flush=True);time.sleep(600)"
        command = [sys.executable, "-I", "-S", "-c", code]
        child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE)
        assert child.stdout is not None
        await child.stdout.readline()
        self.note("log", {"spawned": child.pid})

    async def _answer(self, message: Message, out: Out, result: dict[str, Any]) -> None:
        await out.send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    async def _gate(self, name: str) -> None:
        while not (self._directory / f"gate-{name}").exists():  # noqa: ASYNC110 - another process opens it
            await asyncio.sleep(_POLL)

    async def _swap(self, count: int) -> asyncio.Event:
        mine = asyncio.Event()
        self._held.append(mine)
        if len(self._held) < count:
            await mine.wait()
        return mine

    def _let_go(self, mine: asyncio.Event) -> None:
        """Whoever came before goes on, now that this one has answered."""
        self._held.remove(mine)
        if self._held:
            self._held[-1].set()
