"""The program under test of the protobuf conformance runner: plain ProtoJSON with the gateway's codec.

The runner writes requests to standard input and reads replies from standard output, each a serialised message behind
its length (4 bytes, little endian). The one argument is the file with the descriptor set of the runner's protocol and
test messages.
"""

import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec import Codecs, JsonError, MessageCodec
from gateway.core.dialect import PLAIN, Dialect

_LENGTH = struct.Struct("<I")
_LENIENT = Dialect(ignore_unknown_fields=True)


class Testee:
    """Answers conformance requests."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._codecs = Codecs(pool)
        self._request: Any = GetMessageClass(pool.FindMessageTypeByName("conformance.ConformanceRequest"))
        self._response: Any = GetMessageClass(pool.FindMessageTypeByName("conformance.ConformanceResponse"))
        categories = pool.FindEnumTypeByName("conformance.TestCategory").values_by_name
        formats = pool.FindEnumTypeByName("conformance.WireFormat").values_by_name
        self._ignoring = categories["JSON_IGNORE_UNKNOWN_PARSING_TEST"].number
        self._json, self._bytes = formats["JSON"].number, formats["PROTOBUF"].number

    def serve(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Answer until the runner closes the pipe."""
        while head := source.read(_LENGTH.size):
            request = self._request.FromString(source.read(_LENGTH.unpack(head)[0]))
            reply = self.answer(request).SerializeToString()
            sink.write(_LENGTH.pack(len(reply)) + reply)
            sink.flush()

    def answer(self, request: Any) -> Any:
        """Read the payload and write it in the wanted format; both may be bytes or JSON."""
        if request.message_type == "conformance.FailureSet":
            return self._response(protobuf_payload=b"")
        wanted = request.requested_output_format
        payload = request.WhichOneof("payload")
        if payload not in {"json_payload", "protobuf_payload"} or wanted not in {self._json, self._bytes}:
            return self._response(skipped="neither bytes nor JSON")
        if payload == "protobuf_payload" and wanted == self._bytes:
            return self._response(skipped="bytes to bytes is not the codec's")
        dialect = _LENIENT if request.test_category == self._ignoring else PLAIN
        codec = self._codecs.message(self._pool.FindMessageTypeByName(request.message_type), dialect)
        try:
            message = _parsed(codec, request)
        except (JsonError, DecodeError) as error:
            return self._response(parse_error=str(error))
        return self._written(codec, message, wanted)

    def _written(self, codec: MessageCodec, message: Message, wanted: int) -> Any:
        if wanted == self._bytes:
            return self._response(protobuf_payload=message.SerializeToString())
        try:
            return self._response(json_payload=codec.encode(message).decode())
        except JsonError as error:
            return self._response(serialize_error=str(error))


def _parsed(codec: MessageCodec, request: Any) -> Message:
    if request.HasField("json_payload"):
        return codec.decode(request.json_payload.encode())
    message = codec.new()
    message.ParseFromString(request.protobuf_payload)
    return message


def main() -> None:
    """Serve the runner on the standard streams."""
    pool = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    Testee(pool).serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
