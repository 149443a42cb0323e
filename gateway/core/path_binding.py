"""Sets the fields that a path template binds, from the raw text of its variables."""

from collections.abc import Iterable

from google.protobuf.message import Message

from gateway.core.codec import JsonError
from gateway.core.field_path import FieldPath, FieldPaths
from gateway.core.path_template import PathTemplate
from gateway.core.percent import EscapeError, decoded, decoded_segments
from gateway.core.problem import invalid

# Messages whose JSON form is one scalar.
_WRAPPERS = ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
_SINGLE = {f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask")} | {
    f"google.protobuf.{name}Value" for name in _WRAPPERS
}


class BindingError(ValueError):
    """A template or body that names what the request message does not have; raised at start only."""


class PathPlan:
    """The variables of one template, resolved against the request message."""

    def __init__(self, template: PathTemplate, fields: FieldPaths) -> None:
        self._variables = [
            (".".join(variable.field_path), _single_valued(template, variable.field_path, fields), variable.is_multi)
            for variable in template.variables
        ]

    @property
    def bound(self) -> frozenset[tuple[str, ...]]:
        """The proto names of the fields that the path sets."""
        return frozenset(path.names for _, path, _ in self._variables)

    def apply(self, message: Message, captures: Iterable[bytes]) -> None:
        """Set the variables' fields; raises `Refused` for a bad text and where the body has said otherwise."""
        for (name, path, is_multi), raw in zip(self._variables, captures, strict=True):
            try:
                text = decoded_segments(raw) if is_multi else decoded(raw)
                _set(message, path, text)
            except EscapeError as error:
                raise invalid(name, f"in the path {error}") from None
            except JsonError as error:
                raise invalid(name, error.description) from None


def _set(message: Message, path: FieldPath, text: str) -> None:
    holder = path.holder(message)
    name = path.leaf.name
    if not path.is_set(holder):
        path.codec.set_text(holder, [text])
        return
    from_body = type(holder)()
    from_body.CopyFrom(holder)
    holder.ClearField(name)
    path.codec.set_text(holder, [text])
    if getattr(holder, name) != getattr(from_body, name):
        raise JsonError("has another value in the body than in the path")


def _single_valued(template: PathTemplate, names: tuple[str, ...], fields: FieldPaths) -> FieldPath:
    dotted = ".".join(names)
    path = fields.find(dotted)
    if path is None or path.names != names:
        raise BindingError(f"path template {template.text!r} binds the unknown field {dotted}")
    message = path.leaf.message_type
    is_single = message is None or message.full_name in _SINGLE
    if path.leaf.is_repeated or not is_single:
        raise BindingError(f"path template {template.text!r} binds {dotted}, which is no single value")
    return path
