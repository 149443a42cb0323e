"""The document and the console as they go over the wire: cached, compressed, and with nothing from elsewhere."""

import base64
import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pool

import gateway.edge.console
from gateway.core.openapi import build_document, rendered
from gateway.edge.console import DOCS_PATH, DOCUMENT_PATH, console_pages
from tests.integration.openapi.live import SERVICES, live_service

STATIC = Path(gateway.edge.console.__file__).parent / "static"
SCRIPTS = {script.name: script.read_text() for script in sorted(STATIC.glob("*.js"))}
STYLE = (STATIC / "style.css").read_text()
# Each of these makes markup or code out of text.
DANGEROUS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|setTimeout\(\""
)

both_pages = pytest.mark.parametrize("path", [DOCUMENT_PATH, DOCS_PATH])
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        live_service(tmp_path_factory.mktemp("pages")) as live,
        httpx.AsyncClient(base_url=live.url, trust_env=False, timeout=60) as client,
    ):
        yield client


@both_pages
async def test_a_page_is_not_sent_again_to_who_has_it(client: httpx.AsyncClient, path: str) -> None:
    first = await client.get(path)
    assert first.status_code == 200
    again = await client.get(path, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    assert (await client.get(path, headers={"if-none-match": '"other"'})).status_code == 200


@both_pages
async def test_a_page_is_compressed_for_who_takes_it(client: httpx.AsyncClient, path: str) -> None:
    plain = await client.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["content-length"]) == len(plain.content)
    async with client.stream("GET", path, headers={"accept-encoding": "gzip"}) as reply:
        raw = b"".join([piece async for piece in reply.aiter_raw()])
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["vary"] == "accept-encoding"
    assert len(raw) < len(plain.content) / 3
    assert gzip.decompress(raw) == plain.content


@both_pages
async def test_head_has_the_headers_alone_and_other_methods_are_refused(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert head.content == b""
    for name in ("content-type", "etag", "content-length"):
        assert head.headers[name] == got.headers[name]
    refused = await client.post(path)
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, HEAD"
    assert refused.json()["error"]["code"] == 405


async def test_the_document_is_that_of_the_served_services(client: httpx.AsyncClient) -> None:
    reply = await client.get(DOCUMENT_PATH)
    pool = descriptor_pool.Default()
    built = build_document([pool.FindServiceByName(name) for name in SERVICES])
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["paths"].keys() == built["paths"].keys()
    assert reply.json()["info"]["title"] == "Parley"
    assert len(reply.content) > len(rendered(built))  # the comments


async def test_the_page_may_run_its_own_script_and_style_and_load_nothing(client: httpx.AsyncClient) -> None:
    reply = await client.get(DOCS_PATH)
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", reply.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert not re.search(r"https?://|//[a-z]+\.|@import|<link|<img|<iframe", reply.text)
    assert "url(" not in STYLE
    assert not re.search(r"\son[a-z]+=|\sstyle=", re.sub(r"<(script|style)>.*?</\1>", "", reply.text, flags=re.DOTALL))


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_a_script_makes_no_markup_of_text(script: str) -> None:
    assert not DANGEROUS.search(script)


async def test_either_page_can_be_left_out() -> None:
    pool = descriptor_pool.Default()
    assert set(console_pages(pool=pool, services=SERVICES)) == {DOCUMENT_PATH, DOCS_PATH}
    assert set(console_pages(pool=pool, services=SERVICES, has_docs=False)) == {DOCUMENT_PATH}
