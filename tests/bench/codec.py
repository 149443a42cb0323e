"""Measures the gateway's codec against `google.protobuf.json_format`: CPU time per message, side by side in one run.

Run it with `python -m tests.bench codec`. The bars are at least 5 times as fast out (message to bytes) and 8 times in
(bytes to message) on every size. `json_format` is taken in its fastest form, without indentation.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec import Codecs, MessageCodec
from gateway.core.dialect import PLAIN
from tests.bench.figures import Figure, Report
from tests.support.pools import compiled_pool

BAR_OUT = 5.0
BAR_IN = 8.0
_PACKAGE = "parley.test.bench."
_ROUNDS = 7
_SECONDS_PER_ROUND = 0.05
_PAGE_LENGTH = 28  # about 10 KB of JSON


def run() -> Report:
    """Measure all sizes in both directions."""
    figures = [figure for name, message in samples().items() for figure in _compare(name, message)]
    return Report("The codec against google.protobuf.json_format: CPU a message", figures)


def samples() -> dict[str, Message]:
    """Give the measured messages by their size's name."""
    pool = compiled_pool("codec_bench.proto")
    small, page = _new(pool, "SendRequest"), _new(pool, "Page")
    json_format.ParseDict(
        {
            "conversationId": "0198c2f4-7d1e-7a43-9c55-2d8f6b1c9e10",
            "text": "What is the weather in Zürich tomorrow?",
            "requestId": "0198c2f4-8aa0-7b11-8d3c-9f1e2a7b6c5d",
            "maxTokens": 512,
            "stream": True,
        },
        small,
    )
    json_format.ParseDict({"messages": [_message(n) for n in range(_PAGE_LENGTH)], "totalSize": _PAGE_LENGTH}, page)
    page.next_page_token = "b2Zmc2V0PTI4"
    return {"small": small, "medium": page.messages[0], "list": page}


def _new(pool: DescriptorPool, name: str) -> Any:
    return GetMessageClass(pool.FindMessageTypeByName(_PACKAGE + name))()


def _message(number: int) -> dict[str, Any]:
    return {
        "messageId": f"0198c2f4-7d1e-7a43-9c55-{number:012x}",
        "conversationId": "0198c2f4-7d1e-7a43-9c55-2d8f6b1c9e10",
        "role": "ROLE_ASSISTANT" if number % 2 else "ROLE_USER",
        "text": "It will be sunny, with some clouds in the afternoon and a light wind from the west.",
        "sequence": str(1_000_000 + number),
        "createdAt": f"2025-06-{number % 28 + 1:02}T12:{number:02}:56.123Z",
        "parentId": f"0198c2f4-7d1e-7a43-9c55-{number + 1:012x}",
        "tags": ["weather", "forecast"],
        "metadata": {"channel": "web", "locale": "de-CH"},
        "usage": {"inputTokens": 20 + number, "outputTokens": 31, "seconds": 0.75},
        "final": True,
    }


def _compare(name: str, message: Any) -> list[Figure]:
    pool = message.DESCRIPTOR.file.pool
    codec: MessageCodec = Codecs(pool).message(message.DESCRIPTOR, PLAIN)
    body = codec.encode(message)
    new = type(message)
    if codec.decode(body) != message or json_format.Parse(body, new()) != message:
        raise AssertionError(f"{name}: the two do not agree")
    return [
        _figure(
            f"{name} out ({len(body)} B)",
            BAR_OUT,
            lambda: codec.encode(message),
            lambda: json_format.MessageToJson(message, indent=None).encode(),
        ),
        _figure(
            f"{name} in ({len(body)} B)", BAR_IN, lambda: codec.decode(body), lambda: json_format.Parse(body, new())
        ),
    ]


def _figure(name: str, bar: float, ours: Callable[[], object], theirs: Callable[[], object]) -> Figure:
    """Time both in turns, so that a change of the machine's pace meets both, and take the best round of each."""
    repeats = [_repeats(ours), _repeats(theirs)]
    rounds = [(_time(ours, repeats[0]), _time(theirs, repeats[1])) for _ in range(_ROUNDS)]
    best_ours, best_theirs = (min(times) * 1e6 for times in zip(*rounds, strict=True))
    detail = f"{best_ours:.2f} us against {best_theirs:.2f} us"
    return Figure(name, best_theirs / best_ours, bar, detail)


def _repeats(call: Callable[[], object]) -> int:
    call()
    return max(1, int(_SECONDS_PER_ROUND / _time(call, 10)))


def _time(call: Callable[[], object], repeats: int) -> float:
    """Give the CPU seconds of one call."""
    gc.collect()
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats
