"""librdkafka's mock cluster, steered through its C functions: brokers that err, dawdle and go away on demand."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

PRODUCE: Final = 0
REQUEST_TIMED_OUT: Final = 7
NOT_LEADER: Final = 6
MESSAGE_TOO_LARGE: Final = 10
NOT_ENOUGH_REPLICAS_AFTER_APPEND: Final = 20
CLUSTER_AUTHORIZATION_FAILED: Final = 31
OUT_OF_ORDER_SEQUENCE: Final = 45

_PRODUCER: Final = 0
_QUIET: Final = b"0"


class MockCluster:
    """Entered with `with`. Speaks the protocol over real sockets."""

    def __init__(self, brokers: int = 1) -> None:
        self._brokers = brokers
        self._library = _library()
        self._client: Any = None
        self._cluster: Any = None

    def __enter__(self) -> Self:
        reason = ctypes.create_string_buffer(512)
        conf = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(conf, b"log_level", _QUIET, reason, len(reason))
        self._client = self._library.rd_kafka_new(_PRODUCER, conf, reason, len(reason))
        assert self._client, reason.value
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, self._brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    @property
    def servers(self) -> tuple[str, ...]:
        """Its brokers."""
        return tuple(self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode().split(","))

    def create(self, topic: str, partitions: int = 1) -> None:
        """Create a topic."""
        self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1)

    def fail(self, request: int, errors: Sequence[int]) -> None:
        """Answer the next requests of a kind with these errors, one each; 0 is none."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(errors), codes)

    def delay(self, milliseconds: int) -> None:
        """Let every answer of every broker take so long."""
        for broker in range(1, self._brokers + 1):
            self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds)

    def down(self) -> None:
        """Take every broker away."""
        for broker in range(1, self._brokers + 1):
            self._library.rd_kafka_mock_broker_set_down(self._cluster, broker)

    def up(self) -> None:
        """Bring them back."""
        for broker in range(1, self._brokers + 1):
            self._library.rd_kafka_mock_broker_set_up(self._cluster, broker)


def _library() -> Any:
    import confluent_kafka

    folder = Path(str(confluent_kafka.__file__)).parents[1] / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka*"))))
    pointer, whole, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (whole, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [whole, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, whole]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (whole, [pointer, text, whole, whole]),
        "rd_kafka_mock_push_request_errors_array": (
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
        ),
        "rd_kafka_mock_broker_set_rtt": (whole, [pointer, ctypes.c_int32, whole]),
        "rd_kafka_mock_broker_set_down": (whole, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (whole, [pointer, ctypes.c_int32]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
