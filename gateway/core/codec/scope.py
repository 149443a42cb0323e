"""The names that generated code refers to: one global namespace per set of codecs."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor

Owner = Descriptor | EnumDescriptor


class Scope:
    """A namespace for generated functions; gives out names that are free, and runs source in itself."""

    def __init__(self, constants: dict[str, object]) -> None:
        self.names: dict[str, Any] = dict(constants)
        self._numbers: dict[tuple[str, str], int] = {}

    def name(self, prefix: str, owner: Owner) -> str:
        """Give the one name for the thing of this kind that belongs to a message or an enum."""
        number = self._numbers.setdefault((prefix, owner.full_name), len(self._numbers))
        return f"{prefix}_{number}"

    def define(self, name: str, value: object) -> str:
        """Bind a value to a name, and give the name back."""
        self.names[name] = value
        return name

    def run(self, lines: Iterable[str], title: str) -> None:
        """Compile source and run it here; the title is what tracebacks and profilers show as its file."""
        code = compile("\n".join(lines), f"<codec of {title}>", "exec")
        # The source is made from descriptors alone, with every name of theirs as a quoted literal.
        exec(code, self.names)  # noqa: S102
