"""Sets the fields that a query string names."""

from dataclasses import dataclass, field

from google.protobuf.message import Message

from gateway.core.codec import JsonError
from gateway.core.field_path import FieldPath, FieldPaths
from gateway.core.http_rule import WHOLE
from gateway.core.percent import EscapeError, decoded_form
from gateway.core.problem import invalid

_MAX_REMEMBERED = 256
_MAX_SHOWN = 64


@dataclass(slots=True)
class _Parameter:
    path: FieldPath
    name: str
    texts: list[str] = field(default_factory=list)


class QueryPlan:
    """What a query string may set: the fields that neither the path nor the body binds."""

    def __init__(
        self, fields: FieldPaths, *, bound: frozenset[tuple[str, ...]], body: str, ignore_unknown: bool
    ) -> None:
        self._fields = fields
        self._bound = bound
        self._body = body
        self._ignore_unknown = ignore_unknown
        self._remembered: dict[str, FieldPath | None] = {}

    def apply(self, message: Message, query: bytes) -> None:
        """Set the named fields; raises `Refused`, naming the parameter, for anything that is not understood."""
        for parameter in self._parameters(query).values():
            try:
                parameter.path.codec.set_text(parameter.path.holder(message), parameter.texts)
            except JsonError as error:
                raise invalid(_shown(parameter.name), error.description) from None

    def _parameters(self, query: bytes) -> dict[tuple[str, ...], _Parameter]:
        """Give the parameters by field: the spellings of one field are one parameter."""
        parameters: dict[tuple[str, ...], _Parameter] = {}
        for pair in query.split(b"&"):
            if not pair:
                continue
            raw_name, _, raw_value = pair.partition(b"=")
            name = _text(raw_name, "query")
            path = self._find(name)
            if path is not None:
                text = _text(raw_value, _shown(name))
                parameters.setdefault(path.names, _Parameter(path, name)).texts.append(text)
        return parameters

    def _find(self, name: str) -> FieldPath | None:
        """Give the field with this name; None for a name to be ignored."""
        if name in self._remembered:
            path = self._remembered[name]
        else:
            path = self._fields.find(name)
            if path is not None and len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[name] = path
        if path is None:
            if self._ignore_unknown:
                return None
            raise invalid(_shown(name), "there is no such parameter")
        if path.names in self._bound:
            raise invalid(_shown(name), "is given by the path already")
        if self._body in (WHOLE, path.names[0]):
            raise invalid(_shown(name), "belongs in the body")
        return path


def _text(raw: bytes, part: str) -> str:
    try:
        return decoded_form(raw)
    except EscapeError as error:
        raise invalid(part, str(error)) from None


def _shown(name: str) -> str:
    return name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + "…"
