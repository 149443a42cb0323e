"""Memories of `parley.v1`, and what threads do with them."""

from parley.v1 import memory_pb2, thread_pb2

from server.application.threads import MemoryChange
from server.domain.memory import Memory, MemorySettings
from server.rpc.codecs.timestamp import timestamp


def encode_memory(memory: Memory, score: float | None = None) -> memory_pb2.Memory:
    """A memory, with its score where something was searched for."""
    return memory_pb2.Memory(
        id=memory.id,
        memory=memory.text,
        score=score,
        created_at=timestamp(memory.created_at),
        updated_at=timestamp(memory.updated_at),
        run_id=memory.run_id,
    )


def encode_memory_settings(settings: MemorySettings) -> thread_pb2.MemorySettings:
    """What a thread does with memories."""
    return thread_pb2.MemorySettings(inject=settings.inject, extract=settings.extract, most=settings.most)


def decode_memory_change(settings: thread_pb2.MemorySettings) -> MemoryChange:
    """What to change of it; what is absent stays."""
    return MemoryChange(
        inject=settings.inject if settings.HasField("inject") else None,
        extract=settings.extract if settings.HasField("extract") else None,
        most=settings.most if settings.HasField("most") else None,
    )
