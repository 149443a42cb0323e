"""What the environment of a child process holds: little, and nothing of the service's own."""

from collections.abc import Mapping
from typing import Final

_EVERYBODYS: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What a program needs to be found, to read texts and clocks, and to have room. None of it is a secret."""


def child_environment(given: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: everybody's variables of `env`, and what the operator gave, which goes before."""
    return {name: env[name] for name in _EVERYBODYS if name in env} | dict(given)
