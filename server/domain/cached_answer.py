"""Answers that are given again to whoever asks the same."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from server.domain.context import PromptMessage
from server.domain.enclosure import Enclosure
from server.domain.message import Role
from server.domain.run import Run
from server.domain.tool import ToolSpec


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """What a model said to a question, whole."""

    text: str
    reasoning: str = ""


def cache_key(
    run: Run, prompt: tuple[PromptMessage, ...], *, tools: Sequence[ToolSpec], guard_version: str
) -> str | None:
    """A digest of all that the answer to a prompt depends on; `None` for a prompt with a context or with tools, whose
    answer depends on the world, and for a run that may not use the cache. Equal for one owner only: the owner is no
    part of it."""
    roles = [message.role for message in prompt]
    if tools or not run.options.use_cache or run.options.image or roles not in ([Role.USER], [Role.SYSTEM, Role.USER]):
        return None
    said = [[message.role.value, message.content] for message in prompt]
    files = [_said_of(each) for message in prompt for each in message.enclosures]
    parts: list[object] = [run.provider, run.model, astuple(run.generation), said, guard_version]
    if files:  # so that keys from before there were files stay what they were
        parts.append(files)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _said_of(enclosure: Enclosure) -> list[str]:
    file = enclosure.attachment
    return [file.sha256, file.name, file.media_type, enclosure.shown, enclosure.text]
