"""How much of a model's context the messages of a request may take. Pure."""

from collections.abc import Sequence
from typing import Final

from server.domain.generation import GenerationConfig
from server.domain.model import Model
from server.domain.tokens import TokenEstimator
from server.domain.tool import ToolSpec

CONTEXT_TOKENS: Final = "context_tokens"
"""The setting of a model that says how many tokens its context has, answer included."""

# What is kept free for an answer whose length nobody bounds: a part of the context, but not more than answers take.
_ANSWER_SHARE: Final = 4
ANSWER_TOKENS: Final = 4096
"""What an answer takes at most whose length nobody bounds, as far as anybody reckons."""


def context_tokens(model: Model) -> int | None:
    """The length of the model's context; `None` when it is not configured."""
    configured = model.config.get(CONTEXT_TOKENS)
    return configured if type(configured) is int and configured > 0 else None


def room(
    model: Model, generation: GenerationConfig, tools: Sequence[ToolSpec], estimator: TokenEstimator
) -> int | None:
    """Estimated tokens that messages may take beside the answer and the declarations of tools, at least 0; `None` when
    the length of the context is not known."""
    context = context_tokens(model)
    if context is None:
        return None
    return max(0, context - answer_tokens(context, generation) - estimator.tools(tools))


def answer_tokens(context: int, generation: GenerationConfig) -> int:
    """What is kept free for the answer in a context of that length."""
    usual = min(context // _ANSWER_SHARE, ANSWER_TOKENS)
    return usual if generation.max_tokens is None else generation.max_tokens
