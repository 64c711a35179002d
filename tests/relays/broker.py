"""A broker that speaks Kafka's protocol: librdkafka's own mock cluster, which a test can take down and bring back.

The cluster is not ours and not a mock of our code; it keeps what it was given while it is down, as a real one would.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import confluent_kafka

BROKERS = (1, 2, 3)
_PRODUCE = 0
_POINTER = ctypes.c_void_p


@cache
def _library() -> ctypes.CDLL:
    """Return the very librdkafka that the client brings along."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    lib = ctypes.CDLL(str(next(folder.glob("librdkafka*"))))
    lib.rd_kafka_new.restype = _POINTER
    lib.rd_kafka_new.argtypes = [ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t]
    lib.rd_kafka_mock_cluster_new.restype = _POINTER
    lib.rd_kafka_mock_cluster_new.argtypes = [_POINTER, ctypes.c_int]
    lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    lib.rd_kafka_mock_cluster_bootstraps.argtypes = [_POINTER]
    lib.rd_kafka_mock_cluster_destroy.argtypes = [_POINTER]
    lib.rd_kafka_mock_cluster_destroy.restype = None
    lib.rd_kafka_destroy.argtypes = [_POINTER]
    lib.rd_kafka_destroy.restype = None
    for name in ("rd_kafka_mock_broker_set_down", "rd_kafka_mock_broker_set_up"):
        getattr(lib, name).argtypes = [_POINTER, ctypes.c_int32]
    return lib


class Cluster:
    """A cluster of three brokers in this process, reached over TCP."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.servers = str(_library().rd_kafka_mock_cluster_bootstraps(handle).decode())

    def down(self) -> None:
        """Close every broker's port; what was stored stays."""
        for broker in BROKERS:
            assert _library().rd_kafka_mock_broker_set_down(self._handle, broker) == 0

    def up(self) -> None:
        """Open the ports again."""
        for broker in BROKERS:
            assert _library().rd_kafka_mock_broker_set_up(self._handle, broker) == 0

    def refuse(self, code: int, times: int = 500) -> None:
        """Answer this many produce requests with an error, or until they are to be accepted again."""
        codes = (ctypes.c_int * times)(*[code] * times)
        _library().rd_kafka_mock_push_request_errors_array(
            _POINTER(self._handle), ctypes.c_int16(_PRODUCE), ctypes.c_size_t(times), codes
        )

    def accept(self) -> None:
        """Forget what was to be refused."""
        _library().rd_kafka_mock_clear_request_errors(_POINTER(self._handle), ctypes.c_int16(_PRODUCE))


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster for the block."""
    lib, said = _library(), ctypes.create_string_buffer(512)
    client = lib.rd_kafka_new(0, None, said, 512)
    assert client, said.value
    handle = lib.rd_kafka_mock_cluster_new(client, len(BROKERS))
    try:
        yield Cluster(handle)
    finally:
        lib.rd_kafka_mock_cluster_destroy(handle)
        lib.rd_kafka_destroy(client)
