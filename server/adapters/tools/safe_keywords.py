"""The keywords of JSON Schema that strangers could make slow, made safe.

Every keyword costs a step of a budget: a few nested references are enough to make a check last for ever.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # ships no stubs
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]

_MOST_STEPS: Final = 30_000
"""Some tenths of a second."""
_MOST_PATTERN: Final = 512
_PATTERN_MEMORY: Final = 1 << 20
_UNCHECKED: Final = ("unevaluatedProperties", "unevaluatedItems")
_left: ContextVar[int] = ContextVar("left", default=_MOST_STEPS)


class TooInvolved(Exception):
    """The check would take too long."""


@contextmanager
def budget() -> Iterator[None]:
    """Gives what is checked within its steps. Raises `TooInvolved` once they are used up."""
    token = _left.set(_MOST_STEPS)
    try:
        yield
    finally:
        _left.reset(token)


@lru_cache(maxsize=16)
def made_safe(kind: type[Validator]) -> type[Validator]:
    """A draft's validator with the safe keywords, each counted."""
    safe: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    }
    known: Mapping[str, Any] = kind.VALIDATORS
    keywords = {name: _counted(safe.get(name, check)) for name, check in known.items() if name not in _UNCHECKED}
    keywords |= {name: _counted(_nothing) for name in _UNCHECKED if name in known}
    made: type[Validator] = extend(kind, keywords)  # type: ignore[no-untyped-call]  # typed in part
    return made


def _counted(check: Keyword) -> Keyword:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = _left.get()
        if left <= 0:
            raise TooInvolved
        _left.set(left - 1)
        yield from check(validator, value, instance, schema) or ()

    return counted


def _nothing(*_: Any) -> None:
    """Not checked."""


def _pattern(validator: Any, pattern: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _found(pattern, instance, otherwise=True):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, schema in patterns.items():
            for name, value in instance.items():
                if _found(pattern, name, otherwise=False):
                    yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extras = [
        name
        for name in instance
        if name not in named and not any(_found(pattern, name, otherwise=True) for pattern in patterns)
    ]
    if validator.is_type(allowed, "object"):
        for name in extras:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extras:
        yield ValidationError(f"there is no property {', '.join(map(repr, extras[:3]))}")


def _found(pattern: Any, text: str, *, otherwise: bool) -> bool:
    """Whether the pattern is found anywhere in the text; `otherwise` where it cannot be looked for."""
    compiled = _compiled(pattern) if isinstance(pattern, str) else None
    return otherwise if compiled is None else compiled.search(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        return re2.compile(pattern, options) if len(pattern) <= _MOST_PATTERN else None
    except re2.error:
        return None
