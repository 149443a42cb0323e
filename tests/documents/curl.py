"""Reads the curl commands of a document, and runs one: with httpx as curl would, or with curl itself.

A document is plain text in which a command starts a line and its sample reply, if any, follows before the next one.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

BASE = "$BASE"
KEY = "$KEY"
_HOST = re.compile(r"https?://[a-z0-9.-]+|\{\{baseUrl\}\}")
_KEYS = re.compile(r"\bsk_(?:live_)?your_key_here\b|\bYOUR_TOKEN\b|\bayeto-[0-9a-f]{64}\b")
# A heading that names a route; what stands below it, commands or not, is about that route.
_ROUTE = re.compile(r"^(?!curl ).*\bPOST (/\S+)$")
# A row of a table of fields, whose cells the text has run together: `idstring (UUID)Conversation ID`.
_FIELD_ROW = re.compile(r"^([a-z_]+?)(string|boolean)(?: \([^)]*\))?[A-Z]")
_JSON_TYPES = {"string": "", "boolean": False}
_CURL_SECONDS = 30


@dataclass(frozen=True)
class Exchange:
    """One command, host and key exchanged for `$BASE` and `$KEY`, and what the document says of its reply."""

    arguments: tuple[str, ...]
    """What follows the word `curl`, as a shell would split it."""
    sample: Any = None
    """The sample reply, or an object made of the table of the reply's fields; None where the document has neither."""

    @property
    def route(self) -> str:
        """The path of the command's address."""
        return next(word for word in self.arguments if word.startswith(BASE)).removeprefix(BASE).partition("?")[0]

    def with_values(self, values: Mapping[str, str]) -> "Exchange":
        """This exchange with each key of `values` in its arguments replaced."""
        words = self.arguments
        for placeholder, value in values.items():
            words = tuple(word.replace(placeholder, value) for word in words)
        return Exchange(words, self.sample)


def read(text: str) -> list[Exchange]:
    """Every command of a document, in order."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("curl ")]
    return [_exchange(lines[start:end]) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def samples_by_route(text: str) -> dict[str, Any]:
    """The sample replies that stand under the headings of their routes, apart from any command; those that are JSON."""
    found: dict[str, Any] = {}
    route = None
    lines = text.splitlines()
    for number, line in enumerate(lines):
        heading = _ROUTE.match(line)
        route = heading[1] if heading else route
        if line == "Response" and route is not None and lines[number + 1][:1] in ("[", "{", '"'):
            with suppress(json.JSONDecodeError):
                found[route] = json.JSONDecoder().raw_decode("\n".join(lines[number + 1 :]))[0]
    return found


def _exchange(lines: list[str]) -> Exchange:
    command, rest = _split_command(lines)
    words = shlex.split(command.replace("\\\n", " "))[1:]
    return Exchange(tuple(_KEYS.sub(KEY, _HOST.sub(BASE, word)) for word in words), _sample(rest))


def _split_command(lines: list[str]) -> tuple[str, list[str]]:
    """The command, which ends where its quotes are closed and no backslash continues it, and the lines behind it."""
    for count in range(1, len(lines) + 1):
        if lines[count - 1].endswith("\\"):
            continue
        command = "\n".join(lines[:count])
        try:
            shlex.split(command)
        except ValueError:
            continue
        return command, lines[count:]
    raise ValueError(f"the command never ends: {lines[0]}")


def _sample(lines: list[str]) -> Any:
    start = next((number for number, line in enumerate(lines) if line.startswith("Response")), None)
    if start is None:
        return None
    following = "\n".join(lines[start + 1 :]).lstrip()
    if following.startswith("{"):
        return json.JSONDecoder().raw_decode(following)[0]
    rows = (_FIELD_ROW.match(line) for line in lines[start + 1 :])
    fields = {row[1]: _JSON_TYPES[row[2]] for row in rows if row}
    return fields or None


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


def run_with_httpx(exchange: Exchange, *, base: str, key: str) -> Reply:
    """Do what curl does with the arguments that the documents use: `-X`, `-H`, `-d`, and `-v`, which is for people."""
    method, url, headers, body = "GET", "", {}, None
    words = iter(exchange.with_values({BASE: base, KEY: key}).arguments)
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(":")
                headers[name] = value.strip()
            case "-d":
                body = next(words)
            case "-v":
                pass
            case _ if word.startswith("-"):
                raise ValueError(f"an argument that no document used before: {word}")
            case _:
                url = word
    reply = httpx.request(method, url, headers=headers, content=body, timeout=_CURL_SECONDS, trust_env=False)
    return Reply(reply.status_code, reply.text, reply.headers)


def run_with_curl(exchange: Exchange, *, base: str, key: str) -> Reply:
    """Run curl itself."""
    words = exchange.with_values({BASE: base, KEY: key}).arguments
    command = ["curl", "--silent", "--noproxy", "*", "--write-out", "\n%{http_code}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_CURL_SECONDS)
    body, _, status = done.stdout.rpartition("\n")
    return Reply(int(status), body)
