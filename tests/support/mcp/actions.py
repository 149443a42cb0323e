"""What a scripted tool does when it is called, step by step. Steps are plain data: they travel in a file."""

from typing import Any

Action = dict[str, Any]


def execute() -> Action:
    """Write the call into the ledger: this is the effect that must not happen twice."""
    return {"do": "execute"}


def reply(text: str = "done", **result: Any) -> Action:
    """Answer with a text; `result` replaces or adds members of the result (`isError`, `content`, …)."""
    return {"do": "reply", "result": {"content": [{"type": "text", "text": text}], **result}}


def error(message: str = "no", code: int = -32602) -> Action:
    """Answer with a JSON-RPC error."""
    return {"do": "error", "error": {"code": code, "message": message}}


def wait(gate: str) -> Action:
    """Go on once the test opens the gate (`ScriptedMcp.open`)."""
    return {"do": "wait", "gate": gate}


def hang() -> Action:
    """Never go on; other calls are served."""
    return {"do": "wait", "gate": "never"}


def leave(code: int = 1) -> Action:
    """End the process at once; over HTTP, cut the connection."""
    return {"do": "leave", "code": code}


def swap(count: int = 2) -> Action:
    """Hold what follows back until so many calls are here, then let them go on, the last one first."""
    return {"do": "swap", "count": count}


def notify(method: str, times: int = 1, **params: Any) -> Action:
    """Send a notification, or a flood of them."""
    return {"do": "notify", "method": method, "times": times, "params": params}


def ask(method: str, times: int = 1, **params: Any) -> Action:
    """Send requests of the server's own; what is answered stands in the log (`ScriptedMcp.answers`)."""
    return {"do": "ask", "method": method, "times": times, "params": params}


def raw(text: str, times: int = 1) -> Action:
    """Write a text, so many times, as it is and without an end of line."""
    return {"do": "raw", "text": text, "times": times}


def complain(size: int) -> Action:
    """Write so many bytes to standard error."""
    return {"do": "complain", "size": size}


def environment() -> Action:
    """Answer with the names and values of the environment, as JSON."""
    return {"do": "environment"}


def spawn(*, ignores_signals: bool = False) -> Action:
    """Start a process of its own that sleeps; its id stands in the log (`ScriptedMcp.spawned`)."""
    return {"do": "spawn", "ignores_signals": ignores_signals}


def deafen() -> Action:
    """Read no more input from now on."""
    return {"do": "deafen"}


def script(**changes: Any) -> Action:
    """Change the script from within a call, such as `tools=[…]`."""
    return {"do": "script", "changes": changes}
