"""Tokens of people, as their identity provider issues them."""

from collections.abc import Mapping
from typing import Protocol


class UserTokens(Protocol):
    """Tells a token of the configured issuer from everything else."""

    async def verified(self, token: str) -> Mapping[str, object]:
        """The claims of a token that the issuer signed for this service and that is valid now: signature, issuer,
        audience, expiry and beginning hold. What the other claims say is nobody's word but the issuer's, and unchecked.

        Raises `KeyInvalid` for any other text, whatever is wrong with it, and `IssuerUnavailable` when the issuer's
        keys, without which nobody can tell, cannot be had.
        """
        ...
