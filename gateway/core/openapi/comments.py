"""The comments of proto files, by the full name of what they stand above.

Descriptors in a pool have lost them; a `FileDescriptorSet` made with its source info has them still.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

_LINT_DIRECTIVE = re.compile(r"^\s*(?:buf:lint:|@exclude|\(-- ).*$", re.MULTILINE)
# A sentence ends where the next word begins one: "e.g. `x`" and "1.0" do not end any.
_SENTENCE_END = re.compile(r"(?<=[.!?:])(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z`0-9(])|\n\s*\n")

# The fields of FileDescriptorProto, DescriptorProto, … that lead to named elements, by their numbers: the paths of
# `SourceCodeInfo` are made of these.
_CHILDREN: Mapping[str, Mapping[int, str]] = {
    "FileDescriptorProto": {4: "message_type", 5: "enum_type", 6: "service"},
    "DescriptorProto": {2: "field", 3: "nested_type", 4: "enum_type", 8: "oneof_decl"},
    "EnumDescriptorProto": {2: "value"},
    "ServiceDescriptorProto": {2: "method"},
}


class Comments:
    """Looks up comments; made from no descriptor set, it finds none."""

    def __init__(self, files: FileDescriptorSet | None = None) -> None:
        self._texts: dict[str, str] = {}
        for file in files.file if files is not None else ():
            self._texts.update(_comments_of(file))

    def of(self, descriptor: Any) -> str:
        """Give the comment of a message, field, enum, service or method in Markdown, "" when it has none."""
        return self._texts.get(descriptor.full_name, "")

    def of_value(self, enum: Any, value: Any) -> str:
        """Give the comment of an enum value on one line, "" when it has none."""
        return " ".join(self._texts.get(f"{enum.full_name}.{value.name}", "").split())


def first_sentence(text: str) -> str:
    """Give the first sentence without its full stop, on one line: what a list of operations shows of each."""
    return " ".join(_SENTENCE_END.split(text, maxsplit=1)[0].split()).removesuffix(".")


def _comments_of(file: FileDescriptorProto) -> Iterable[tuple[str, str]]:
    for location in file.source_code_info.location:
        text = location.leading_comments or location.trailing_comments
        name = _name_at(file, location.path) if text else None
        if name is not None:
            yield name, _clean(text)


def _name_at(file: FileDescriptorProto, path: Sequence[int]) -> str | None:
    """Give the full name of the element at a path, or None for a path to something else (an option, a type)."""
    element: Any = file
    parts = [file.package] if file.package else []
    if not path or len(path) % 2:
        return None
    for number, index in zip(path[::2], path[1::2], strict=True):
        attribute = _CHILDREN.get(type(element).__name__, {}).get(number)
        if attribute is None:
            return None
        element = getattr(element, attribute)[index]
        parts.append(element.name)
    return ".".join(parts)


def _clean(text: str) -> str:
    lines = [line.removeprefix(" ").rstrip() for line in _LINT_DIRECTIVE.sub("", text).split("\n")]
    return "\n".join(lines).strip()
