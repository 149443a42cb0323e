"""Reads values of known types out of a parsed TOML table and says by its key what is wrong with one."""

from collections.abc import Mapping
from typing import Final, TypeVar

from server.adapters.provider.provider_config import ConfigurationError

Value = TypeVar("Value")

_SCALARS: Final = (str, int, float)  # `bool` is an `int`


class TomlTable:
    """One table; `path` is how messages call it. Keys that nobody asked for are an error, see `reject_others`."""

    def __init__(self, values: object, path: str) -> None:
        if not isinstance(values, Mapping):
            raise ConfigurationError(f"{path}: expected a table")
        self._values: Mapping[str, object] = values
        self._asked: set[str] = set()
        self.path = path

    def key(self, name: str) -> str:
        """The full name of one of its keys."""
        return f"{self.path}.{name}" if self.path else name

    def text(self, name: str) -> str | None:
        """A string that is not blank, if the key is there."""
        value = self._get(name, str, "a text in quotes")
        if value is not None and not value.strip():
            raise ConfigurationError(f"{self.key(name)}: must not be empty")
        return value

    def flag(self, name: str) -> bool | None:
        """`true` or `false`, if the key is there."""
        return self._get(name, bool, "true or false")

    def seconds(self, name: str) -> float | None:
        """A positive number, if the key is there."""
        self._asked.add(name)
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ConfigurationError(f"{self.key(name)}: expected a positive number of seconds")
        return float(value)

    def texts(self, name: str) -> dict[str, str]:
        """A table of strings; empty if the key is not there."""
        self._asked.add(name)
        table = TomlTable(self._values.get(name, {}), self.key(name))
        return {one: table.text(one) or "" for one in table._values}

    def whole(self, name: str) -> int | None:
        """A positive whole number, if the key is there."""
        self._asked.add(name)
        value = self._values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
            raise ConfigurationError(f"{self.key(name)}: expected a positive whole number")
        return value

    def tables(self, name: str) -> dict[str, "TomlTable"]:
        """A table of tables; empty if the key is not there."""
        self._asked.add(name)
        table = TomlTable(self._values.get(name, {}), self.key(name))
        return {one: TomlTable(value, table.key(one)) for one, value in table._values.items()}

    def table(self, name: str) -> "TomlTable":
        """A table; an empty one if the key is not there."""
        self._asked.add(name)
        return TomlTable(self._values.get(name, {}), self.key(name))

    def items(self, name: str) -> list[object] | None:
        """An array with at least one item, if the key is there."""
        value = self._get(name, list, "an array")
        if value is not None and not value:
            raise ConfigurationError(f"{self.key(name)}: must not be empty")
        return value

    def words(self, name: str) -> list[str] | None:
        """An array of strings, empty or not, if the key is there."""
        found: list[str] = []
        for item in self._get(name, list, "an array of texts") or ():
            if not isinstance(item, str):
                raise ConfigurationError(f"{self.key(name)}: expected an array of texts")
            found.append(item)
        return found if name in self._values else None

    def others(self) -> dict[str, str | int | float | bool]:
        """Every key that was not asked for, all of which must be single values."""
        rest = {name: value for name, value in self._values.items() if name not in self._asked}
        self._asked.update(rest)
        scalars: dict[str, str | int | float | bool] = {}
        for name, value in rest.items():
            if not isinstance(value, _SCALARS):
                raise ConfigurationError(f"{self.key(name)}: expected a text, a number, true or false")
            scalars[name] = value
        return scalars

    def reject_others(self) -> None:
        """Raise `ConfigurationError` for a key that was not asked for: most likely a misspelling."""
        unknown = sorted(set(self._values) - self._asked)
        if unknown:
            known = ", ".join(sorted(self._asked))
            raise ConfigurationError(f"{self.key(unknown[0])}: no such key; there are {known}")

    def _get(self, name: str, kind: type[Value], expected: str) -> Value | None:
        self._asked.add(name)
        value = self._values.get(name)
        if value is not None and not isinstance(value, kind):
            raise ConfigurationError(f"{self.key(name)}: expected {expected}")
        return value
