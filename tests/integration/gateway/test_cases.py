"""The lines of GATEWAY.md on rules, path, query, body and reply: a request and the reply to it, one case a line."""

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.toy.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON = {"content-type": "application/json"}
ANY = object()
"""In an expected reply: whatever it is."""


@dataclass(frozen=True)
class Case:
    """One request and what is to come back; `field` is what the error must name."""

    name: str
    method: str
    path: str
    status: int = 200
    body: Any = None
    reply: Any = ANY
    names: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def get(name: str, path: str, reply: Any = ANY, **more: Any) -> Case:
    return Case(name, "GET", path, reply=reply, **more)


def post(name: str, path: str, body: Any, reply: Any = ANY, **more: Any) -> Case:
    more.setdefault("headers", JSON)
    return Case(name, "POST", path, body=body, reply=reply, **more)


def bad(name: str, case: Case, names: str, status: int = 400) -> Case:
    return Case(name, case.method, case.path, status, case.body, ANY, names, case.headers)


MATCHING = [
    get("{v} is {v=*}", "/v1/match/one", {"method": "Star", "text": "one"}),
    get("* is exactly one segment", "/v1/match/a/b", {"method": "DoubleStar", "text": "a/b"}),
    get("* is not an empty segment", "/v1/match/", {"method": "DoubleStar"}),
    get("** is zero segments", "/v1/match", {"method": "DoubleStar"}),
    get("** is many segments", "/v1/match/a/b/c", {"method": "DoubleStar", "text": "a/b/c"}),
    get("a literal beats *", "/v1/match/literal", {"method": "Literal"}),
    get("* beats **", "/v1/match/else", {"method": "Star", "text": "else"}),
    get("a literal of another method hides nothing", "/v1/match/literal", {"method": "Literal"}),
    Case("another method of a literal path", "DELETE", "/v1/match/literal", reply={"method": "DoubleStar"}),
    get("a verb is split off where it is registered", "/v1/match/x:verb", {"method": "StarVerb", "text": "x"}),
    get("elsewhere a colon is data", "/v1/match/x:other", {"method": "Star", "text": "x:other"}),
    get("a verb of another method is data", "/v1/match/a/b:verb", {"method": "DoubleStar", "text": "a/b:verb"}),
    post("** before a verb", "/v1/match/a/b:verb", {}, {"method": "DoubleStarVerb", "text": "a/b"}),
    get("an escaped colon is no verb", "/v1/match/x%3Averb", {"method": "Star", "text": "x:verb"}),
    get(
        "a variable of several segments",
        "/v1/shelves/1/books/2",
        {"method": "MultiSegment", "text": "shelves/1/books/2"},
    ),
    get("two variables", "/v1/shelves/3/pages/p", {"method": "TwoVariables", "text": "p", "number": 3}),
    get("custom kind * takes GET", "/v1/any-method", {"method": "AnyMethod"}),
    Case("custom kind * takes any method", "PURGE", "/v1/any-method", reply={"method": "AnyMethod"}),
    Case("a custom kind", "REPORT", "/v1/reports", reply={"method": "AnyMethod"}),
    get("a template with a slash at its end", "/v1/trailing/", {"method": "AnyMethod"}),
    get("a slash too few", "/v1/trailing", status=404),
    get("a slash too many", "/v1/samples/", status=404),
    get("an unknown path is 404", "/v1/nowhere", status=404),
    Case("a known path with another method is 405", "DELETE", "/v1/samples", 405),
    post(
        "additional_bindings have a body of their own",
        "/v1/samples:inner",
        {"text": "q"},
        {"inner": {"text": "q"}},
        status=201,
    ),
    get("additional_bindings have a response_body of their own", "/v1/samples:reply-names?names=a", ["a"], status=201),
]

PATHS = [
    get("a path is matched raw, then decoded", "/v1/match/a%2Fb", {"method": "Star", "text": "a/b"}),
    get("a single segment is decoded fully", "/v1/match/%E2%82%AC%20%2f", {"method": "Star", "text": "€ /"}),
    get(
        "a multi-segment variable keeps %2F",
        "/v1/shelves/a%2Fb/books/%2fc%20",
        {"method": "MultiSegment", "text": "shelves/a%2Fb/books/%2fc "},
    ),
    get("an escaped percent is not decoded twice", "/v1/match/%252F", {"method": "Star", "text": "%2F"}),
    get(
        "a multi-segment escaped percent",
        "/v1/shelves/%252F/books/1",
        {"method": "MultiSegment", "text": "shelves/%2F/books/1"},
    ),
    get("+ in a path is a plus", "/v1/match/a+b", {"method": "Star", "text": "a+b"}),
    bad("a bad escape", get("", "/v1/match/%zz"), "text"),
    bad("a cut escape", get("", "/v1/match/%4"), "text"),
    bad("bad UTF-8", get("", "/v1/match/%ff"), "text"),
    get("a typed variable", "/v1/typed/number/-5", {"number": -5}),
    bad("a variable out of range", get("", "/v1/typed/number/2147483648"), "number"),
    bad("a variable that is no number", get("", "/v1/typed/number/1.5"), "number"),
    get("a 64-bit variable", "/v1/typed/wide/-9223372036854775808", {"wide": "-9223372036854775808"}),
    bad("a 64-bit variable out of range", get("", "/v1/typed/wide/9223372036854775808"), "wide"),
    get("a bool variable", "/v1/typed/flag/true", {"flag": True}),
    bad("a bad bool variable", get("", "/v1/typed/flag/yes"), "flag"),
    get("an enum variable by name", "/v1/typed/color/COLOR_BLUE", {"color": "COLOR_BLUE"}),
    get("an enum variable by word", "/v1/typed/color/red", {"color": "red"}),
    get("an enum variable by number", "/v1/typed/color/2", {"color": "COLOR_BLUE"}),
    bad("an unknown enum variable", get("", "/v1/typed/color/green"), "color"),
    get("a Timestamp variable", "/v1/typed/when/2020-01-01T00:00:00Z", {"when": "2020-01-01T00:00:00Z"}),
    bad("a bad Timestamp variable", get("", "/v1/typed/when/today"), "when"),
    get("a bytes variable", "/v1/typed/raw-bytes/_-8=", {"blob": "/+8="}),
    get("a nested variable", "/v1/typed/nested/x", {"inner": {"text": "x"}}),
]

Q = "/v1/samples?"
QUERIES = [
    get("nested names", Q + "inner.deeper.text=x", {"inner": {"deeper": {"text": "x"}}}),
    get("a proto name", Q + "wide_wrapped=1", {"wideWrapped": "1"}),
    get("a JSON name", Q + "wideWrapped=1", {"wideWrapped": "1"}),
    get("a custom name", Q + "oddSpelling=x", {"oddSpelling": "x"}),
    get("the proto name of a custom one", Q + "spelt_oddly=x", {"oddSpelling": "x"}),
    get("repeated keys make lists", Q + "names=a&names=b", {"names": ["a", "b"]}),
    get("commas do not split", Q + "names=a,b", {"names": ["a,b"]}),
    get("both spellings make one list", Q + "colors=red&colors=2", {"colors": ["red", "COLOR_BLUE"]}),
    get("an enum by name", Q + "color=COLOR_RED", {"color": "red"}),
    get("an enum by known number", Q + "color=1", {"color": "red"}),
    bad("an enum by unknown name", get("", Q + "color=pink"), "color"),
    *[
        get(f"bool {text}", Q + f"flag={text}&number=1", {"number": 1} | flag)
        for text, flag in (("true", {"flag": True}), ("1", {"flag": True}), ("false", {}), ("0", {}))
    ],
    bad("bool yes", get("", Q + "flag=yes"), "flag"),
    bad("bool True", get("", Q + "flag=True"), "flag"),
    get("Timestamp", Q + "when=2020-01-01T00:00:00Z", {"when": "2020-01-01T00:00:00Z"}),
    get("Duration", Q + "span=1.5s", {"span": "1.500s"}),
    get("wrapper", Q + "wrapped=", {"wrapped": ""}),
    get("FieldMask", Q + "mask=aB,c", {"mask": "aB,c"}),
    get("bytes", Q + "blob=_-8%3D", {"blob": "/+8="}),
    get("+ is a space", Q + "text=a+b%2Bc", {"text": "a b+c"}),
    get("optional zero is present", Q + "maybe=0", {"maybe": 0}),
    get("no value is the empty text", Q + "text&number=1", {"number": 1}),
    get("empty pairs are nothing", Q + "&&number=1&", {"number": 1}),
    get("a oneof member", Q + "that=3", {"that": 3}),
    bad("twice a singular", get("", Q + "number=1&number=1"), "number"),
    bad("twice a singular in two spellings", get("", Q + "oddSpelling=a&spelt_oddly=b"), "oddSpelling"),
    bad("two members of a oneof", get("", Q + "this=a&that=1"), "that"),
    bad("two members of a oneof, one nested", get("", Q + "this=a&other.text=b"), "other.text"),
    bad("two members of a nested oneof", get("", Q + "inner.left=a&inner.right=b"), "inner.right"),
    bad("a name bound by the path", get("", "/v1/match/x?text=y"), "text"),
    bad("a name bound by the body", post("", "/v1/samples?text=y", {}), "text"),
    bad("a name within the body", post("", "/v1/samples:inner?inner.number=1", {}), "inner.number"),
    get("beside the body", "/v1/samples:reply-text?text=a", "a", status=201),
    post(
        "beside a body field",
        "/v1/samples:inner?text=a",
        {"text": "b"},
        {"text": "a", "inner": {"text": "b"}},
        status=201,
    ),
    bad("an unknown name", get("", Q + "nothing=1"), "nothing"),
    bad("an unknown nested name", get("", Q + "inner.nothing=1"), "inner.nothing"),
    bad("below a scalar", get("", Q + "text.x=1"), "text.x"),
    bad("below a list", get("", Q + "names.x=1"), "names.x"),
    bad("below a Timestamp", get("", Q + "when.seconds=1"), "when.seconds"),
    bad("a whole message", get("", Q + "inner=1"), "inner"),
    bad("a map", get("", Q + "labels=1"), "labels"),
    bad("a Struct", get("", Q + "free=1"), "free"),
    bad("a bad number", get("", Q + "number=1x"), "number"),
    bad("a bad escape", get("", Q + "text=%G1"), "text"),
    bad("bad UTF-8", get("", Q + "text=%c3%28"), "text"),
    bad("a bad escape in a name", get("", Q + "%G1=x"), "query"),
    get("a dialect may ignore unknown names", "/quirks/echo?nothing=1&text=x"),
    bad("but not bad values", get("", "/quirks/echo?number=x"), "number", 422),
]

BODIES = [
    post('body "*"', "/v1/samples", {"text": "x"}, {"text": "x"}, status=201),
    post("empty body is the default message", "/v1/samples", "", {}, status=201, headers={}),
    post("a message field", "/v1/samples:inner", {"number": 1}, {"inner": {"number": 1}}, status=201),
    post("a scalar field", "/v1/samples:number", 5, {"number": 5}, status=201),
    post("a repeated field", "/v1/samples:names", ["a"], {"names": ["a"]}, status=201),
    post("a map field", "/v1/samples:labels", {"a": 1}, {"labels": {"a": 1}}, status=201),
    post("a wrapper field", "/v1/samples:wrapped", '"w"', {"wrapped": "w"}, status=201),
    post("a Value field", "/v1/samples:value", [1, None], {"value": [1, None]}, status=201),
    post("an empty body field is unset", "/v1/samples:inner", "", {}, status=201, headers={}),
    Case("body and path agree", "PUT", "/v1/samples/x", 201, {"text": "x"}, {"text": "x"}, headers=JSON),
    bad("body and path disagree", Case("", "PUT", "/v1/samples/x", body={"text": "y"}, headers=JSON), "text"),
    Case(
        "below the body field",
        "PATCH",
        "/v1/inners/a",
        201,
        {"number": 1},
        {"text": "inners/a", "number": 1},
        headers=JSON,
    ),
    bad("below it, disagreeing", Case("", "PATCH", "/v1/inners/a", body={"text": "b"}, headers=JSON), "inner.text"),
    bad("a body where none is declared", Case("", "GET", "/v1/samples", body={}, headers=JSON), ""),
    bad(
        "a form is 415",
        post("", "/v1/samples", "a=b", headers={"content-type": "application/x-www-form-urlencoded"}),
        "content-type",
        415,
    ),
    bad(
        "plain text is 415", post("", "/v1/samples", "{}", headers={"content-type": "text/plain"}), "content-type", 415
    ),
    bad(
        "another charset is 415",
        post("", "/v1/samples", "{}", headers={"content-type": "application/json; charset=latin-1"}),
        "content-type",
        415,
    ),
    post(
        "UTF-8 is not", "/v1/samples", {}, {}, status=201, headers={"content-type": 'Application/JSON; charset="UTF-8"'}
    ),
    bad("invalid JSON with position", post("", "/v1/samples", '{"text": x}'), "1"),
    bad("duplicate keys", post("", "/v1/samples", '{"text":"a","text":"b"}'), "text"),
    bad(
        "both spellings of one field", post("", "/v1/samples", '{"wideWrapped":"1","wide_wrapped":"1"}'), "wide_wrapped"
    ),
    bad("NaN", post("", "/v1/samples", '{"ratio":NaN}'), ""),
    bad("an infinity in a free form", post("", "/v1/samples", '{"free":{"a":1e999}}'), ""),
    bad("free-form depth over 24", post("", "/v1/samples:value", "[" * 30 + "]" * 30), ""),
    bad("depth over 64", post("", "/v1/samples", '{"inner":' * 1 + '{"deeper":' * 70 + "{}" + "}" * 71), ""),
    bad("an unknown field", post("", "/v1/samples", {"inner": {"nothing": 1}}), "inner.nothing"),
    bad("an unknown enum name", post("", "/v1/samples", {"color": "pink"}), "color"),
    post("an unknown enum number is kept", "/v1/samples", {"color": 77}, {"color": 77}, status=201),
    bad("a lone surrogate", post("", "/v1/samples", '{"text":"\\ud800"}'), ""),
    bad("not UTF-8", post("", "/v1/samples", b'{"text":"\xff"}'), ""),
    post("a dialect may ignore unknown fields", "/quirks/echo", {"nothing": 1, "text": "x"}),
    post(
        "gzip",
        "/v1/samples",
        gzip.compress(b'{"text":"x"}'),
        {"text": "x"},
        status=201,
        headers=JSON | {"content-encoding": "gzip"},
    ),
    bad(
        "bad gzip",
        post("", "/v1/samples", b"nonsense", headers=JSON | {"content-encoding": "gzip"}),
        "content-encoding",
    ),
    bad(
        "cut gzip",
        post("", "/v1/samples", gzip.compress(b"{}")[:-4], headers=JSON | {"content-encoding": "gzip"}),
        "content-encoding",
    ),
    bad(
        "an unknown encoding",
        post("", "/v1/samples", b"{}", headers=JSON | {"content-encoding": "br"}),
        "content-encoding",
        415,
    ),
    post("every method has a path of its own", "/toy.v1.Forms/EchoQuery", {"text": "x"}, {"text": "x"}),
    bad("client streams have none", post("", "/toy.v1.Forms/Collect", {}), "path", 404),
]

REPLIES = [
    get("response_body a list", "/v1/samples:reply-names?names=a&names=b", ["a", "b"], status=201),
    get("response_body an empty list", "/v1/samples:reply-names", [], status=201),
    get("response_body a scalar", "/v1/samples:reply-number?number=4", 4, status=201),
    get("response_body an unset scalar", "/v1/samples:reply-number", 0, status=201),
    get("response_body a message", "/v1/samples:reply-inner?inner.number=4", {"number": 4}, status=201),
    get("response_body an unset message", "/v1/samples:reply-inner", None, status=201),
    get("response_body a wrapper", "/v1/samples:reply-wrapped?wrapped=w", "w", status=201),
    get("response_body an unset wrapper", "/v1/samples:reply-wrapped", None, status=201),
    get("response_body a text", "/v1/samples:reply-text?text=%E2%82%AC", "€", status=201),
    get("snake case, numbers and null", "/quirks/echo?wide=5&spelt_oddly=x"),
    Case("no content", "DELETE", "/v1/nothing", 204, reply=b""),
]

CASES = [("match", case) for case in MATCHING]
CASES += [("path", case) for case in PATHS]
CASES += [("query", case) for case in QUERIES]
CASES += [("body", case) for case in BODIES]
CASES += [("reply", case) for case in REPLIES]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{group}: {case.name}" for group, case in CASES])
async def test_case(served: Served, case: Case) -> None:
    """The reply has the status, the JSON and, for an error, the name of the offending part that the case says."""
    content = case.body if isinstance(case.body, (str, bytes)) or case.body is None else json.dumps(case.body)
    reply = await served.client.request(case.method, case.path, content=content, headers=case.headers)
    assert reply.status_code == case.status, reply.text
    if case.status >= 400:
        assert reply.headers["content-type"] == "application/json"
        body = reply.json()
        text = body.get("detail") or body.get("error", body)["message"]
        assert case.names is None or case.names in text
    elif isinstance(case.reply, bytes):
        assert reply.content == case.reply
    elif case.reply is not ANY:
        assert reply.json() == case.reply
