"""How much of the text files of a turn a model request has room for. Pure.

A request always carries the turn that it answers, whose text files may be longer than the model's context: each gets
the same then, and what short ones leave goes to the others.
"""

from collections.abc import Sequence

from server.domain.shortening import least_tokens, share
from server.domain.tokens import SHORTEST_TEXT, TokenEstimator
from server.domain.tool_groups import Group


def text_allowance(groups: Sequence[Group], room: int | None, estimator: TokenEstimator) -> int | None:
    """Tokens, without calibration, that each text file of the groups may take when everything else is as short as it
    can get; `None`: all of them fit as they are."""
    texts = sorted(
        attachment.tokens
        for group in groups
        for message in group.messages
        for attachment in message.attachments
        if attachment.is_text
    )
    if room is None or not texts:
        return None
    beside = least_tokens(groups, estimator.with_texts_of(0)) / estimator.ratio
    left = int(room / estimator.ratio - beside + sum(min(SHORTEST_TEXT, tokens) for tokens in texts))
    return None if sum(texts) <= left else max(0, share(texts, left))
