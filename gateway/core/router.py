"""Finds the binding of an HTTP method and a raw path: a literal beats `*` beats `**`, whatever was declared first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from gateway.core.http_rule import ANY_METHOD
from gateway.core.path_template import DOUBLE_STAR, STAR, PathTemplate

T = TypeVar("T")
_LITERAL_RANK, _STAR_RANK, _REST_RANK = 0, 1, 2
_AS_HEAD = ("HEAD", "GET", ANY_METHOD)


class DuplicateRoute(ValueError):
    """Two bindings match the same requests; the text names both."""


@dataclass(slots=True)
class Found(Generic[T]):
    """The target of a request, and the raw text of each variable of its template, in the template's order."""

    target: T
    captures: tuple[bytes, ...] = ()


class _Bound(NamedTuple, Generic[T]):
    template: PathTemplate
    target: T


_Leaf = dict[str, _Bound[T]]
"""What is bound to one place of the tree, by HTTP method."""


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: "dict[bytes, _Node[T]]" = field(default_factory=dict)
    star: "_Node[T] | None" = None
    ends: "dict[bytes | None, _Leaf[T]]" = field(default_factory=dict)
    """What ends at this node, by verb."""
    rests: "dict[bytes | None, _Leaf[T]]" = field(default_factory=dict)
    """What goes on with `**` from this node, by verb."""


class _Match(NamedTuple, Generic[T]):
    rank: tuple[int, ...]
    """How specific each segment of the match is; the smallest wins."""
    segments: list[bytes]
    leaf: _Leaf[T]


class Router(Generic[T]):
    """Matches raw paths segment by segment; no path costs more than two visits to each node.

    The most specific template wins among those that serve the method: a template for another method never hides one.
    Of equals, the one with a verb wins. A `:verb` is split off only for templates that have that verb, for all others
    `:` is data. HEAD is served by GET unless something is bound to HEAD itself.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._literal: dict[bytes, dict[str, Found[T]]] = {}

    def add(self, http_method: str, template: PathTemplate, target: T) -> None:
        """Register a target; raises `DuplicateRoute` when another one already matches exactly these requests."""
        leaf = self._leaf(template)
        if http_method in leaf:
            other = leaf[http_method].template.text
            raise DuplicateRoute(f"{http_method} {template.text} and {other} match the same requests")
        leaf[http_method] = _Bound(template, target)
        if template.is_literal:
            self._literal.setdefault(template.text.encode(), {})[http_method] = Found(target)

    def find(self, http_method: str, raw_path: bytes) -> Found[T] | None:
        """Give the target of a request, or None."""
        literal = self._literal.get(raw_path)
        if literal is not None:
            # A literal path is the most specific match there is.
            found = literal.get(http_method)
            if found is not None:
                return found
        matches = self._matches(raw_path)
        for accepted in _AS_HEAD if http_method == "HEAD" else (http_method, ANY_METHOD):
            for match in matches:
                bound = match.leaf.get(accepted)
                if bound is not None:
                    return Found(bound.target, _captures(bound.template, match.segments))
        return None

    def methods(self, raw_path: bytes) -> list[str]:
        """Give the HTTP methods that the path can be called with, in alphabetic order; none for an unknown path."""
        allowed = {method for match in self._matches(raw_path) for method in match.leaf}
        if "GET" in allowed:
            allowed.add("HEAD")
        return sorted(allowed)

    def nearest(self, raw_path: bytes) -> T | None:
        """Give a target whose path has the most leading segments in common with this path, or None for none at all."""
        node, depth = self._root, 0
        for segment in raw_path.split(b"/")[1:]:
            following = node.literals.get(segment) or node.star
            if following is None:
                break
            node, depth = following, depth + 1
        return next(_targets_below(node), None) if depth else None

    def _leaf(self, template: PathTemplate) -> _Leaf[T]:
        node = self._root
        is_open_ended = template.segments[-1] == DOUBLE_STAR
        for segment in template.segments[:-1] if is_open_ended else template.segments:
            if segment == STAR:
                node.star = node.star or _Node()
                node = node.star
            else:
                node = node.literals.setdefault(segment.encode(), _Node())
        leaves = node.rests if is_open_ended else node.ends
        return leaves.setdefault(template.verb.encode() if template.verb else None, {})

    def _matches(self, raw_path: bytes) -> list[_Match[T]]:
        """Give all matches, the most specific first."""
        matches: list[_Match[T]] = []
        segments = raw_path.split(b"/")[1:] or [b""]
        last, colon, verb = segments[-1].rpartition(b":")
        if colon:
            _Walk([*segments[:-1], last], verb, matches).below(self._root, 0, ())
        _Walk(segments, None, matches).below(self._root, 0, ())
        if len(matches) > 1:
            matches.sort(key=lambda match: match.rank)
        return matches


@dataclass(slots=True)
class _Walk(Generic[T]):
    """Collects every template that matches these segments and has exactly this verb."""

    segments: list[bytes]
    verb: bytes | None
    matches: list[_Match[T]]

    def below(self, node: _Node[T], at: int, rank: tuple[int, ...]) -> None:
        """Go on from a node that the segments before `at` have led to."""
        if at == len(self.segments):
            self._take(node.ends, rank)
        else:
            segment = self.segments[at]
            following = node.literals.get(segment)
            if following is not None:
                self.below(following, at + 1, (*rank, _LITERAL_RANK))
            if node.star is not None and segment:
                self.below(node.star, at + 1, (*rank, _STAR_RANK))
        self._take(node.rests, (*rank, _REST_RANK))

    def _take(self, leaves: "dict[bytes | None, _Leaf[T]]", rank: tuple[int, ...]) -> None:
        leaf = leaves.get(self.verb)
        if leaf is not None:
            self.matches.append(_Match(rank, self.segments, leaf))


def _captures(template: PathTemplate, segments: list[bytes]) -> tuple[bytes, ...]:
    return tuple([b"/".join(segments[variable.start : variable.end]) for variable in template.variables])


def _targets_below(node: _Node[T]) -> Iterator[T]:
    for leaf in (*node.ends.values(), *node.rests.values()):
        yield from (bound.target for bound in leaf.values())
    for following in node.literals.values():
        yield from _targets_below(following)
    if node.star is not None:
        yield from _targets_below(node.star)
