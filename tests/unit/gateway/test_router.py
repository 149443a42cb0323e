"""The router: specificity, whatever the order; verbs; methods; duplicates; the nearest route."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.path_template import parse_template
from gateway.core.router import DuplicateRoute, Router


def router(*routes: str) -> Router[str]:
    """Route each `METHOD /template` to itself."""
    made: Router[str] = Router()
    for route in routes:
        method, text = route.split()
        made.add(method, parse_template(text), route)
    return made


ROUTES = [
    "GET /a/b/c", "GET /a/*/c", "GET /a/b/*", "GET /a/**", "GET /a/*/*:go", "GET /a/**:go", "POST /a/b/c",
    "GET /{x=**}",
]  # fmt: skip
WANTED = {
    "/a/b/c": "GET /a/b/c",
    "/a/x/c": "GET /a/*/c",
    "/a/b/x": "GET /a/b/*",
    "/a/x/y": "GET /a/**",
    "/a": "GET /a/**",
    "/a/x/y:go": "GET /a/*/*:go",
    "/a/x:go": "GET /a/**:go",
    "/a/b/c:go": "GET /a/b/*",
    "/a/x/c:no": "GET /a/**",
    "/b": "GET /{x=**}",
    "/": "GET /{x=**}",
}


@pytest.mark.parametrize("shift", range(len(ROUTES)))
def test_the_most_specific_wins_whatever_the_order(shift: int) -> None:
    made = router(*ROUTES[shift:], *ROUTES[:shift])
    for path, wanted in WANTED.items():
        found = made.find("GET", path.encode())
        assert found is not None
        assert found.target == wanted, path


def test_specificity_is_decided_from_the_left() -> None:
    made = router("GET /{a}/x/**", "GET /y/**")
    found = made.find("GET", b"/y/x/z")
    assert found is not None
    assert found.target == "GET /y/**"


def test_a_dead_end_is_left_again() -> None:
    made = router("GET /a/b/c", "GET /*/b/d")
    found = made.find("GET", b"/a/b/d")
    assert found is not None
    assert found.target == "GET /*/b/d"


def test_a_template_of_another_method_hides_nothing() -> None:
    made = router("POST /a/b", "GET /a/{x}")
    found = made.find("GET", b"/a/b")
    assert found is not None
    assert (found.target, found.captures) == ("GET /a/{x}", (b"b",))
    assert made.methods(b"/a/b") == ["GET", "HEAD", "POST"]
    assert made.find("PUT", b"/a/b") is None


def test_variables_are_those_of_the_template_that_was_found() -> None:
    made = router("GET /a/{x}/{y}", "POST /a/{z=*/*}")
    got, posted = made.find("GET", b"/a/1/2"), made.find("POST", b"/a/1/2")
    assert got is not None
    assert posted is not None
    assert (got.captures, posted.captures) == ((b"1", b"2"), (b"1/2",))


def test_head_is_get_unless_something_is_bound_to_head() -> None:
    made = router("GET /a", "GET /b", "HEAD /b")
    for path, wanted in ((b"/a", "GET /a"), (b"/b", "HEAD /b")):
        found = made.find("HEAD", path)
        assert found is not None
        assert found.target == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a", "/a"),
        ("/a/{x}", "/a/{y}"),
        ("/a/{x}", "/a/*"),
        ("/a/{x=**}", "/a/**"),
        ("/a/{x=b/*}", "/a/b/{y}"),
        ("/a:v", "/a:v"),
    ],
)
def test_exact_duplicates_are_refused(one: str, other: str) -> None:
    with pytest.raises(DuplicateRoute):
        router(f"GET {one}", f"GET {other}")


@pytest.mark.parametrize(
    ("path", "nearest"),
    [("/api/v1/x", "GET /api/v1/a"), ("/api/v2/b/q", "GET /api/v2/b/c"), ("/api", "GET /api/v1/a"), ("/other", None)],
)
def test_the_nearest_route_shares_the_longest_beginning(path: str, nearest: str | None) -> None:
    assert router("GET /api/v1/a", "GET /api/v2/a", "GET /api/v2/b/c").nearest(path.encode()) == nearest


segments = st.sampled_from(["a", "b", "*", "**"])
templates = st.lists(segments, min_size=1, max_size=4).filter(lambda each: "**" not in each[:-1])


def matches(template: list[str], path: list[str]) -> bool:
    """The definition of a match, plainly."""
    if template and template[-1] == "**":
        return len(path) >= len(template) - 1 and all(map(fits, template[:-1], path))
    return len(template) == len(path) and all(map(fits, template, path))


def fits(segment: str, text: str) -> bool:
    return segment in ("*", text)


@given(
    st.lists(templates, min_size=1, max_size=6, unique_by=tuple),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
)
def test_it_finds_what_the_definition_says(chosen: list[list[str]], path: list[str]) -> None:
    made = router(*(f"GET /{'/'.join(template)}" for template in chosen))
    rank = {"*": 1, "**": 2}
    fitting = sorted(
        (template for template in chosen if matches(template, path)), key=lambda t: [rank.get(s, 0) for s in t]
    )
    found = made.find("GET", f"/{'/'.join(path)}".encode())
    if not fitting:
        assert found is None
    else:
        assert found is not None
        assert found.target == f"GET /{'/'.join(fitting[0])}"


def test_a_hostile_path_is_cheap() -> None:
    """Each node is visited at most once for each reading of the path, however many stars there are."""
    made = router(*(f"GET /{'/'.join(each)}/end" for each in itertools.product("*a", repeat=8)))
    assert made.find("GET", b"/a" * 8 + b"/no") is None
    assert made.find("GET", b"/" * 5000) is None
