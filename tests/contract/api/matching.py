"""Compares what came with what a case wants, and says where they differ."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.api.case import ABSENT, Matching


def resolve(value: Any, kept: Mapping[str, str]) -> Any:
    """The value with every `$name` replaced by what was kept under it."""
    match value:
        case str() if value.startswith("$"):
            return kept[value[1:]]
        case dict():
            return {name: resolve(each, kept) for name, each in value.items()}
        case list() | tuple():
            return [resolve(each, kept) for each in value]
    return value


def differences(got: Any, wanted: Any, where: str = "reply") -> Iterator[str]:
    """Where `got` does not contain `wanted`, one line a place."""
    if isinstance(wanted, Matching):
        if not wanted.matches(got):
            yield f"{where}: {got!r} does not match {wanted.pattern}"
    elif isinstance(wanted, dict):
        yield from _in_mapping(got, wanted, where)
    elif isinstance(wanted, list):
        yield from _in_list(got, wanted, where)
    elif got != wanted:
        yield f"{where}: {got!r} is not {wanted!r}"


def pick(reply: Any, place: str) -> str:
    """The text at a place such as `models.0.id`."""
    for step in place.split("."):
        reply = reply[int(step)] if step.lstrip("-").isdigit() else reply[step]
    return str(reply)


def _in_mapping(got: Any, wanted: Mapping[str, Any], where: str) -> Iterator[str]:
    if not isinstance(got, dict):
        yield f"{where}: {got!r} is not a message"
        return
    for name, each in wanted.items():
        if each is ABSENT:
            if name in got:
                yield f"{where}.{name}: {got[name]!r} should not be there"
        elif name not in got:
            yield f"{where}.{name}: is missing"
        else:
            yield from differences(got[name], each, f"{where}.{name}")


def _in_list(got: Any, wanted: list[Any], where: str) -> Iterator[str]:
    if not isinstance(got, list) or len(got) != len(wanted):
        yield f"{where}: {got!r} does not have {len(wanted)} items"
        return
    for index, (one, other) in enumerate(zip(got, wanted, strict=True)):
        yield from differences(one, other, f"{where}[{index}]")
