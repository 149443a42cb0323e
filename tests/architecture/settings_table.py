"""The settings table of the manual, made from the settings: `python -m tests.architecture.settings_table`."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from server import __main__ as command_line
from server.config import ClientSettings, Settings, variable

PAGE: Final = Path(__file__).parents[2] / "docs" / "operation.md"
_PLACE: Final = re.compile(r"(<!-- settings:[^\n]*-->\n).*?(<!-- end of settings -->)", re.DOTALL)
# Shown where the default is nothing that can be written down.
_UNSET: Final = ""


def table() -> str:
    """Every setting: variable, flag, default, meaning."""
    rows = [*_rows(Settings, command_line.serve), *_rows(ClientSettings, command_line.chat)]
    return "\n".join(["| variable | flag | default | what it is |", "|---|---|---|---|", *rows]) + "\n"


def shown(page: str) -> str:
    """The table as the page has it."""
    place = _PLACE.search(page)
    if place is None:
        raise ValueError("the page has no place for the settings")
    return place[0].removeprefix(place[1]).removesuffix(place[2]).strip() + "\n"


def _rows(settings: type[BaseSettings], command: Callable[..., Any]) -> Iterator[str]:
    flags = inspect.signature(command).parameters
    # Its own first, then those that it takes over from others.
    for name, field in sorted(
        settings.model_fields.items(), key=lambda each: each[0] not in vars(settings)["__annotations__"]
    ):
        flag = f"`--{name.replace('_', '-')}`" if name in flags else ""
        yield f"| `{variable(settings, name)}` | {flag} | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    match field.default:
        case None | ():
            return _UNSET
        case bool(value):
            return f"`{str(value).lower()}`"
        case float(value):
            return f"`{value:g}`"
        case value:
            return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(_PLACE.sub(lambda place: f"{place[1]}\n{table()}\n{place[2]}", PAGE.read_text()))
