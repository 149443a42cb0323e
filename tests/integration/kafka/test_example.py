"""The example consumer does what it says, on a real topic with repeats."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from server.domain.ids import ConversationId
from server.domain.outbox import Removal
from tests.contract.store.builders import ALICE
from tests.integration.kafka.publishing import sink_to
from tests.integration.kafka.test_sink import entries, event
from tests.support.kafka.broker import KafkaBroker

# A broker starts in seconds, on a busy machine in many.
pytestmark = pytest.mark.timeout(180)

REPOSITORY = Path(__file__).parents[3]
EXAMPLE = REPOSITORY / "examples" / "kafka_consumer.py"


async def test_the_example_prints_every_event_once_and_in_order(broker: KafkaBroker, topic: str) -> None:
    sink = sink_to((broker.servers,), topic)
    for numbers in ((1, 2, 3), (2, 3, 4)):
        await sink.deliver(entries(*(event("c", number) for number in numbers)))
    await sink.remove([Removal(ALICE, ConversationId("c"))])
    await sink.close()
    env = {**os.environ, "KAFKA": broker.servers, "TOPIC": topic, "PYTHONPATH": str(REPOSITORY / "generated")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLE, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    printed: list[str] = []
    try:
        async with asyncio.timeout(120):
            while "is gone" not in "".join(printed):
                printed.append((await process.stdout.readline()).decode())
    finally:
        process.kill()
        await process.wait()
    heads = [" ".join(line.split()[:3]) for line in printed if line.startswith("c ")]
    assert heads == [*(f"c {number} text_delta" for number in (1, 2, 3, 4)), "c is gone"]
    assert [line.strip() for line in printed if "text:" in line] == [
        f'text: "piece {number}"' for number in (1, 2, 3, 4)
    ]


def test_the_example_has_some_twenty_lines() -> None:
    code = [line for line in EXAMPLE.read_text().splitlines() if line.strip()]
    assert len(code) <= 20
