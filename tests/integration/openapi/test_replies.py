"""Every contract case, sent as the document says, is answered as the document says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import httpx
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pool
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec import Codecs
from gateway.core.dialect import Dialect, dialect_of
from tests.contract.api.case import Case, Json, Stream
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.documented_json import HTTP_BODY
from tests.contract.api.documented_json import documented as documented_method
from tests.contract.api.matching import resolve
from tests.contract.api.player import GrpcPlayer
from tests.contract.api.playing import METHODS, prepare
from tests.contract.api.stage import Stage
from tests.contract.api.test_cases import CASES
from tests.integration.openapi.documented import Document, Reply
from tests.integration.openapi.event_stream import items_of
from tests.integration.openapi.live import Live, live_service

CODECS = Codecs(descriptor_pool.Default())
TENANTS = count()
MEDIA = ("text/event-stream", "application/x-ndjson")


@dataclass(frozen=True, slots=True)
class Documented:
    """A live service, its document as it serves it, and a client of it."""

    live: Live
    document: Document
    client: httpx.AsyncClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def documented(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Documented]:
    folder = tmp_path_factory.mktemp("openapi")
    async with (
        live_service(folder, provider=DirectedProvider()) as live,
        httpx.AsyncClient(base_url=live.url, trust_env=False, timeout=60) as client,
    ):
        document = (await client.get("/openapi.json")).json()
        yield Documented(live, Document(document), client)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_is_answered_as_documented(documented: Documented, case: Case) -> None:
    method = METHODS[case.rpc]
    shown, asking = documented_method(method)
    is_stream = method.server_streaming and method.output_type.full_name != HTTP_BODY
    for media in MEDIA if is_stream else ("application/json",):
        # Each time from the beginning: what one call has begun may be what the next would wait for.
        stage = Stage(documented.live.served, f"documented-{next(TENANTS)}")
        kept = await _prepared(stage, case)
        request = ParseDict(resolve(case.request, kept), GetMessageClass(method.input_type)())
        fields = {**_fields(request, dialect_of(method)), **asking}
        headers = {**await stage.headers(case.caller), "accept": media}
        reply = await _answer(documented, shown.full_name, fields, headers, case)
        assert documented.document.errors(shown.full_name, reply) == []
        if is_stream and reply.status == 200:
            assert reply.media == media


def test_every_rpc_with_a_case_is_documented(documented: Documented) -> None:
    for name in {documented_method(METHODS[case.rpc])[0].full_name for case in CASES}:
        assert documented.document.request(name, {}).path.startswith("/")


LIST = "parley.v1.ThreadService.ListThreads"
WATCH = "parley.v1.RunService.WatchThread"
ID = {"x-request-id": "1", "content-type": "application/json"}
STREAM = {"x-request-id": "1", "content-type": "text/event-stream"}
THREAD = '{"id":"","conversationKey":"","name":"","status":"IDLE","archived":false}'


@pytest.mark.parametrize(
    ("name", "reply", "error"),
    [
        (LIST, Reply(200, ID, f'{{"threads":[{THREAD}]}}'), None),
        (LIST, Reply(201, ID, "{}"), "status 201"),
        (LIST, Reply(200, STREAM, "{}"), "content type"),
        (LIST, Reply(200, {"content-type": "application/json"}, '{"threads":[]}'), "X-Request-Id"),
        (LIST, Reply(200, ID, "{}"), '"threads" is a required property'),
        (LIST, Reply(200, ID, '{"threads":[],"more":1}'), "'more' was unexpected"),
        (LIST, Reply(200, ID, f'{{"threads":[{THREAD[:-6]}7}}]}}'), "is not of type"),
        (LIST, Reply(404, ID, '{"error":{"code":404}}'), '"message" is a required property'),
        (WATCH, Reply(200, STREAM, "event: end\ndata: {}\n\n"), None),
        (WATCH, Reply(200, STREAM, ": comment\n\nevent: other\ndata: {}\n\n"), "not valid under any"),
        (WATCH, Reply(200, STREAM, "event: text_delta\ndata: {}\n\n"), '"textDelta" is a required property'),
    ],
)
def test_a_reply_that_is_not_as_documented_is_noticed(
    documented: Documented, name: str, reply: Reply, error: str | None
) -> None:
    errors = documented.document.errors(name, reply)
    assert any(error in each for each in errors) if error else errors == []


async def _prepared(stage: Stage, case: Case) -> dict[str, str]:
    """Make the calls before the one that the case is about; over gRPC, for they are not what is tested here."""
    player, kept = GrpcPlayer(stage.served.channel), stage.kept
    for call in case.before:
        await prepare(player, stage, call, kept)
    return kept


async def _answer(documented: Documented, name: str, fields: Json, headers: dict[str, str], case: Case) -> Reply:
    """Send a request, and read the reply; a stream that goes on is left after what the case names of it."""
    request = documented.document.request(name, dict(fields))
    body = {"content": request.body} if isinstance(request.body, bytes) else {"json": request.body}
    headers = {**headers, **request.headers}
    call = documented.client.stream(request.method, request.path, params=[*request.query], headers=headers, **body)
    text = ""
    async with call as reply:
        media = reply.headers.get("content-type", "")
        async for piece in reply.aiter_text():
            text += piece
            if reply.status_code == 200 and _is_enough(case, media, text):
                break
    return Reply(reply.status_code, reply.headers, text)


def _is_enough(case: Case, media: str, text: str) -> bool:
    if not isinstance(case.wants, Stream) or case.wants.ends is not None:
        return False
    return len(items_of(media, text)) >= len(case.wants.begins)


def _fields(request: Message, dialect: Dialect) -> Json:
    """Give a request in the spelling of its dialect, without what is unset."""
    plain = Dialect(field_names=dialect.field_names, int64_form=dialect.int64_form)
    descriptor = descriptor_pool.Default().FindMessageTypeByName(request.DESCRIPTOR.full_name)
    fields: Json = CODECS.message(descriptor, plain).encode_value(request)
    return fields
