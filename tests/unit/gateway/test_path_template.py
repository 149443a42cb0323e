"""Templates: what parses into what, and what is refused."""

import pytest

from gateway.core.path_template import TemplateError, Variable, parse_template


@pytest.mark.parametrize(
    ("text", "segments", "verb"),
    [
        ("/", ("",), None),
        ("/a", ("a",), None),
        ("/a/", ("a", ""), None),
        ("/a/*/b", ("a", "*", "b"), None),
        ("/a/**", ("a", "**"), None),
        ("/a:go", ("a",), "go"),
        ("/a/**:go", ("a", "**"), "go"),
        ("/a/{b=**}:go", ("a", "**"), "go"),
        ("/api/v1/x-y_z.t~", ("api", "v1", "x-y_z.t~"), None),
        ("/package.Service/Method", ("package.Service", "Method"), None),
        ("/a%20b", ("a%20b",), None),
    ],
)
def test_segments_and_verb(text: str, segments: tuple[str, ...], verb: str | None) -> None:
    template = parse_template(text)
    assert (template.segments, template.verb, template.text) == (segments, verb, text)


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("/a/{b}", Variable(("b",), 1, 2, is_multi=False)),
        ("/a/{b=*}", Variable(("b",), 1, 2, is_multi=False)),
        ("/a/{b.c.d}", Variable(("b", "c", "d"), 1, 2, is_multi=False)),
        ("/{b=shelves/*}/x", Variable(("b",), 0, 2, is_multi=True)),
        ("/a/{b=**}", Variable(("b",), 1, None, is_multi=True)),
        ("/{b=a/*/**}", Variable(("b",), 0, None, is_multi=True)),
        ("/{b=literal}", Variable(("b",), 0, 1, is_multi=False)),
    ],
)
def test_variables(text: str, variable: Variable) -> None:
    assert parse_template(text).variables == (variable,)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a/b", "//", "/a//b", "/**/a", "/{a=**}/b", "/{a}{b}", "/x{a}", "/{a}x", "/{a", "/a}", "/{}", "/{=a}",
        "/{a=}", "/{a={b}}", "/{a.}", "/{.a}", "/{1a}", "/{a-b}", "/{a}/{a}", "/a:", "/a:b:c", "/a:b/c", "/a b", "/a?b",
        "/a#b", "/a%2", "/a%zz", "/***", "/a*", "/{a=/b}", "/{a=b/}", "/a:*", "/é", "/a\\b", "/{a b}",
    ],
)  # fmt: skip
def test_bad_templates_are_refused_and_quoted(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    assert repr(text) in str(caught.value)
