"""Errors: the code table, overrides, details, and the body of the route's dialect whoever made the error."""

from typing import Any

import pytest

from tests.support.toy.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = {1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503}
TABLE |= {15: 500, 16: 401}


@pytest.mark.parametrize(("code", "status"), TABLE.items())
async def test_each_code_has_its_status(served: Served, code: int, status: int) -> None:
    reply = await served.client.get(f"/v1/act?code={code}&message=because")
    assert reply.status_code == status
    body = reply.json()
    assert (body["failed"], body["http"], body["text"], body["details"]) == (True, status, "because", [])
    assert body["code"] == body["why"]


async def test_a_dialect_overrides_a_code(served: Served) -> None:
    reply = await served.client.get("/v1/act?code=9&message=no")
    assert (reply.status_code, reply.json()["http"], reply.json()["text"]) == (412, 412, "no")


async def test_a_dialect_overrides_a_reason_and_its_message(served: Served) -> None:
    reply = await served.client.get("/v1/act?code=5&message=no&reason=NO_SUCH_TOY")
    body = reply.json()
    assert (reply.status_code, body["why"], body["text"]) == (410, "NO_SUCH_TOY", "the toy Duck is gone")
    assert body["meta"] == {"name": "Duck"}


async def test_details_travel_in_grpc_status_details_bin(served: Served) -> None:
    reply = await served.client.get("/v1/act?code=3&message=no&reason=BAD&violation=a.b&retry=1.2")
    info, retry, bad = reply.json()["details"]
    google = "type.googleapis.com/google.rpc."
    assert info == {"@type": google + "ErrorInfo", "reason": "BAD", "domain": "toy", "metadata": {"name": "Duck"}}
    assert retry == {"@type": google + "RetryInfo", "retryDelay": "1.200s"}
    assert bad["fieldViolations"] == [{"field": "a.b", "description": "is not liked"}]
    assert reply.json()["meta"]["fields"] == [{"field": "a.b", "description": "is not liked"}]


async def test_retry_info_becomes_retry_after_in_whole_seconds(served: Served) -> None:
    reply = await served.client.get("/v1/act?code=8&retry=1.2")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "2")


async def test_401_has_the_dialects_scheme(served: Served) -> None:
    reply = await served.client.get("/v1/act?code=16")
    assert reply.headers["www-authenticate"] == "Toy"


async def test_an_exception_is_500_and_its_text_stays_inside(served: Served) -> None:
    reply = await served.client.get("/v1/act?crash=secret")
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert reply.json()["text"] == "Unexpected error in the service."


async def test_a_reply_without_a_json_form_is_an_internal_error(served: Served) -> None:
    reply = await served.client.get("/v1/act?unwritable=true")
    assert (reply.status_code, reply.json()["why"]) == (500, "UNWRITABLE_REPLY")


JSON = {"content-type": "application/json"}
GATEWAY_ERRORS: list[tuple[str, dict[str, Any], int, str]] = [
    ("GET", {"url": "/v1/act/nothing"}, 404, "ROUTE_NOT_FOUND"),
    ("DELETE", {"url": "/v1/act"}, 405, "METHOD_NOT_ALLOWED"),
    ("POST", {"content": "<a/>", "headers": {"content-type": "text/xml"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("POST", {"content": "{", "headers": JSON}, 400, "INVALID_BODY"),
    ("POST", {"content": b" " * (4 * 1024 * 1024 + 1), "headers": JSON}, 413, "BODY_TOO_LARGE"),
    ("GET", {"url": "/v1/act?nothing=1"}, 400, "INVALID_FIELD"),
    ("GET", {"headers": {"x-filler": "x" * 9000}}, 431, "HEADERS_TOO_LARGE"),
    ("GET", {"url": "/v1/act?message=" + "x" * 9000}, 414, "TARGET_TOO_LONG"),
    ("GET", {"headers": {"grpc-timeout": "soon"}}, 400, "INVALID_HEADER"),
]


@pytest.mark.parametrize(("method", "rest", "status", "reason"), GATEWAY_ERRORS, ids=[row[3] for row in GATEWAY_ERRORS])
async def test_errors_of_the_gateway_have_the_dialects_body(
    served: Served, method: str, rest: dict[str, Any], status: int, reason: str
) -> None:
    reply = await served.client.request(method, **({"url": "/v1/act"} | rest))
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert (body["failed"], body["http"], body["why"]) == (True, status, reason)
    assert body["details"][0]["domain"] == "gateway"


async def test_405_allows_what_the_path_takes(served: Served) -> None:
    reply = await served.client.delete("/v1/act")
    assert reply.headers["allow"] == "GET, HEAD, POST"


async def test_a_path_below_no_route_has_the_plain_body(served: Served) -> None:
    reply = await served.client.get("/elsewhere")
    assert reply.json()["error"]["status"] == "NOT_FOUND"


async def test_a_path_beside_an_apis_routes_has_that_apis_body(served: Served) -> None:
    assert (await served.client.get("/quirks/nothing")).json() == {"detail": "there is no such path"}


async def test_a_dialects_status_for_bad_arguments_covers_the_gateways_own(served: Served) -> None:
    reply = await served.client.post("/quirks/echo", content="{", headers={"content-type": "application/json"})
    assert reply.status_code == 422
    reply = await served.client.post("/quirks/echo", content="{", headers={"content-type": "text/plain"})
    assert reply.status_code == 415
