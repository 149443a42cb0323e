"""Secrets that a test's fixtures put where the service finds its own, each random and all recognisable."""

import secrets
from typing import Final

MARK: Final = "cAnArY7q"
"""Part of every one; nothing else has it."""


def canary(kind: str) -> str:
    """A secret of a kind (`provider-key`): a word of letters, digits and hyphens, unlike any other."""
    return f"{MARK}-{kind}-{secrets.token_hex(8)}"
