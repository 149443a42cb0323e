"""Paths as OpenAPI writes them, made from the templates of `google.api.http`.

A placeholder of OpenAPI stands for one segment, so a variable of several segments is spelt out: `/v1/{name=shelves/*}`
becomes `/v1/shelves/{name}`, and where a variable has several wildcards each gets a placeholder (`{name.1}`). Only `**`
remains a placeholder whose value may have slashes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gateway.core import path_template
from gateway.core.openapi.wire import FieldPath
from gateway.core.path_template import DOUBLE_STAR, STAR, PathTemplate

_WILDCARDS = frozenset({STAR, DOUBLE_STAR})


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder of a path.

    `field` is the path of the request field that it is (a part of) the value of, None for a wildcard that is bound to
    none. `pattern` is the whole of that field's value, None when the placeholder stands for it all. `takes_many` says
    that slashes may stand in it.
    """

    name: str
    field: FieldPath | None = None
    pattern: str | None = None
    takes_many: bool = False


@dataclass(frozen=True, slots=True)
class UrlPath:
    """A path as its segments, and what follows the last of them (a verb with its colon, or nothing)."""

    segments: tuple[str | Placeholder, ...]
    ending: str = ""

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """Give the placeholders from left to right."""
        return tuple(segment for segment in self.segments if isinstance(segment, Placeholder))

    @property
    def shape(self) -> str:
        """Give what two paths that OpenAPI takes for the same have in common: everything but the names."""
        return self._written(lambda placeholder: "{**}" if placeholder.takes_many else "{}")

    def __str__(self) -> str:
        return self._written(lambda placeholder: f"{{{placeholder.name}}}")

    def named_as(self, other: "UrlPath") -> "UrlPath":
        """Give this path with the placeholder names of another one of the same shape."""
        names = iter(other.placeholders)
        renamed = (
            replace(segment, name=next(names).name) if isinstance(segment, Placeholder) else segment
            for segment in self.segments
        )
        return UrlPath(tuple(renamed), self.ending)

    def _written(self, write: Callable[[Placeholder], str]) -> str:
        texts = (write(segment) if isinstance(segment, Placeholder) else segment for segment in self.segments)
        return "/" + "/".join(texts) + self.ending


def url_path(template: PathTemplate, name_of: Callable[[FieldPath], str]) -> UrlPath:
    """Turn a template into a path; `name_of` gives the spelling of a field path in the dialect."""
    placeholders = dict(_placeholders(template, name_of))
    segments = tuple(placeholders.get(index, segment) for index, segment in enumerate(template.segments))
    return UrlPath(segments, "" if template.verb is None else f":{template.verb}")


def bound_fields(template: PathTemplate) -> frozenset[FieldPath]:
    """Give the paths of the fields that a template sets, by proto names."""
    return frozenset(variable.field_path for variable in template.variables)


def _placeholders(template: PathTemplate, name_of: Callable[[FieldPath], str]) -> Iterator[tuple[int, Placeholder]]:
    free = {index for index, segment in enumerate(template.segments) if segment in _WILDCARDS}
    for variable in template.variables:
        yield from _of_variable(template, variable, name_of(variable.field_path))
        free -= {*range(len(template.segments))[variable.start : variable.end]}
    for number, index in enumerate(sorted(free), 1):
        yield index, Placeholder(f"wildcard.{number}", takes_many=template.segments[index] == DOUBLE_STAR)


def _of_variable(
    template: PathTemplate, variable: path_template.Variable, name: str
) -> Iterator[tuple[int, Placeholder]]:
    covered = template.segments[variable.start : variable.end]
    wildcards = [index for index, segment in enumerate(covered) if segment in _WILDCARDS]
    pattern = "/".join(covered) if len(covered) > 1 else None
    for number, index in enumerate(wildcards, 1):
        own = name if len(wildcards) == 1 else f"{name}.{number}"
        takes_many = covered[index] == DOUBLE_STAR
        yield variable.start + index, Placeholder(own, variable.field_path, pattern, takes_many)
