"""The requests of a client stream, of which the first is looked at before anybody gets any."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from server.domain.errors import FieldViolation, InvalidField
from server.rpc import status
from server.rpc.interceptors.validation import UNDECODABLE

PATIENCE_SECONDS: Final = 60.0
"""How long a client may leave the server waiting for a request."""


class Requests:
    """Gives the first request twice: to `first`, and as the first one of all."""

    def __init__(self, stream: Any, *, patience: float = PATIENCE_SECONDS) -> None:
        """`patience` are the seconds to wait for each request."""
        self._patience = patience
        self._stream: AsyncIterator[Any] = aiter(stream)
        self._first: Any = None

    async def first(self) -> Any:
        """The first request. Raises `InvalidField` for a stream without any, `DeadlinePassed` when it does not come."""
        try:
            self._first = await self._next()
        except StopAsyncIteration:
            raise InvalidField([FieldViolation("", "the stream has no request")]) from None
        return self._first

    def __aiter__(self) -> "Requests":
        return self

    async def __anext__(self) -> Any:
        """The next request. Raises `InvalidField` for what is none, `DeadlinePassed` when it does not come."""
        request, self._first = self._first, None
        if request is None:
            request = await self._next()
        if request is UNDECODABLE:
            raise InvalidField([FieldViolation("", "the request is not a message of this method")])
        return request

    async def _next(self) -> Any:
        try:
            async with asyncio.timeout(self._patience):
                return await anext(self._stream)
        except TimeoutError as error:
            raise status.DeadlinePassed from error
