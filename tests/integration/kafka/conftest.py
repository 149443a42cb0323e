"""One broker for the whole run, and a topic for each test."""

import uuid
from collections.abc import Iterator

import pytest

from tests.support.kafka.artifacts import KafkaMissing
from tests.support.kafka.broker import KafkaBroker


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaBroker]:
    """A Kafka broker that every test may use and none may stop."""
    made = _made()
    made.start()
    yield made
    made.kill()
    made.remove()


@pytest.fixture
def own_broker() -> Iterator[KafkaBroker]:
    """A Kafka broker of the test's own, not started yet."""
    made = _made()
    yield made
    made.kill()
    made.remove()


@pytest.fixture
def topic() -> str:
    """A topic of the test's own."""
    return f"events.{uuid.uuid4().hex}"


def _made() -> KafkaBroker:
    pytest.importorskip("aiokafka", reason="Kafka needs aiokafka (extra `kafka`)")
    try:
        return KafkaBroker()
    except KafkaMissing as missing:
        pytest.skip(str(missing))
