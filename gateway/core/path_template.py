"""Parses path templates of `google.api.http` into segments, variables and verb; refuses what the grammar forbids.

    Template = "/" Segments [ ":" Verb ]        Segment  = "*" | "**" | Literal | Variable
    Segments = Segment { "/" Segment }          Variable = "{" FieldPath [ "=" Segments ] "}"

Two additions to the grammar of `google/api/http.proto`: the path `/`, and a slash at the end (`/chat/`), which
matches only paths that end in one.
"""

import re
from dataclasses import dataclass

STAR = "*"
"""Exactly one segment, which is not empty."""
DOUBLE_STAR = "**"
"""Any number of segments, none included; only the last segment of a template."""
_FIELD_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_LITERAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()+,;@=-]|%[0-9A-Fa-f]{2})+")


class TemplateError(ValueError):
    """A path template that the grammar forbids; the text says why."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A field of the request that is bound by a range of segments: `segments[start:end]`, to the end for None."""

    field_path: tuple[str, ...]
    start: int
    end: int | None
    is_multi: bool
    """Whether it can hold several segments; then an escaped slash in it stays escaped."""


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed template; `text` is the source."""

    text: str
    segments: tuple[str, ...]
    variables: tuple[Variable, ...]
    verb: str | None

    @property
    def is_literal(self) -> bool:
        """Whether it matches one path only: its own text."""
        return STAR not in self.segments and DOUBLE_STAR not in self.segments and not self.variables


def parse_template(text: str) -> PathTemplate:
    """Parse a template, or raise `TemplateError`."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._segments: list[str] = []
        self._variables: list[Variable] = []

    def parse(self) -> PathTemplate:
        if not self._text.startswith("/"):
            raise self._error("must begin with a slash")
        path, verb = self._split_verb(self._text[1:])
        parts = self._split(path)
        for position, part in enumerate(parts):
            self._take(part, is_last=position == len(parts) - 1)
        if DOUBLE_STAR in self._segments[:-1]:
            raise self._error("** may only be the last segment")
        names = [variable.field_path for variable in self._variables]
        if len(set(names)) != len(names):
            raise self._error("binds a field twice")
        return PathTemplate(self._text, tuple(self._segments), tuple(self._variables), verb)

    def _error(self, why: str) -> TemplateError:
        return TemplateError(f"path template {self._text!r}: {why}")

    def _split_verb(self, path: str) -> tuple[str, str | None]:
        closing = path.rfind("}")
        colon = path.find(":", max(closing, path.rfind("/")) + 1)
        if colon < 0:
            return path, None
        verb = path[colon + 1 :]
        if not _LITERAL.fullmatch(verb):
            raise self._error("has a bad verb after its last colon")
        return path[:colon], verb

    def _split(self, path: str) -> list[str]:
        """Split at the slashes outside of braces."""
        parts, depth, start = [], 0, 0
        for index, character in enumerate(path):
            depth += (character == "{") - (character == "}")
            if depth not in (0, 1):
                raise self._error("has nested or unbalanced braces")
            if character == "/" and depth == 0:
                parts.append(path[start:index])
                start = index + 1
        if depth:
            raise self._error("has unbalanced braces")
        return [*parts, path[start:]]

    def _take(self, part: str, *, is_last: bool) -> None:
        if part.startswith("{"):
            self._take_variable(part)
        elif part or not is_last:
            self._take_segment(part)
        else:
            self._segments.append("")

    def _take_variable(self, part: str) -> None:
        if not part.endswith("}"):
            raise self._error(f"has text after the variable in {part!r}")
        name, equals, pattern = part[1:-1].partition("=")
        if not _FIELD_PATH.fullmatch(name):
            raise self._error(f"{name!r} is no field path")
        start = len(self._segments)
        pieces = pattern.split("/") if equals else [STAR]
        for piece in pieces:
            self._take_segment(piece)
        open_ended = pieces[-1] == DOUBLE_STAR
        is_multi = len(pieces) > 1 or open_ended
        end = None if open_ended else len(self._segments)
        self._variables.append(Variable(tuple(name.split(".")), start, end, is_multi))

    def _take_segment(self, segment: str) -> None:
        if segment not in (STAR, DOUBLE_STAR) and not _LITERAL.fullmatch(segment):
            raise self._error(f"has the bad segment {segment!r}")
        self._segments.append(segment)
