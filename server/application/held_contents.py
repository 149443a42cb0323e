"""How many bytes of files the requests of a process hold together: a request that would be too many waits for others to
end, in the order in which they came."""

import asyncio


class Holding:
    """What one request holds. For one task."""

    def __init__(self, contents: "HeldContents") -> None:
        self._contents = contents
        self._held = 0

    async def take(self, count: int) -> None:
        """Hold so many bytes instead of what was held before; waits until there is room. Cancelled, it holds none."""
        self.release()
        if count:
            await self._contents.wait_for(count)
            self._held = count

    def release(self) -> None:
        """Hold nothing. Idempotent."""
        self._contents.give_back(self._held)
        self._held = 0


class HeldContents:
    """The bytes of all requests, on one loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    def holding(self) -> Holding:
        """A request's share, of nothing yet."""
        return Holding(self)

    async def wait_for(self, count: int) -> None:
        """Count bytes in when there is room for them; for more than there is in all, when nobody else holds any."""
        async with self._turn:
            while self._held and self._held + count > self._most:
                self._freed.clear()
                await self._freed.wait()
            self._held += count

    def give_back(self, count: int) -> None:
        """Count bytes out."""
        self._held -= count
        self._freed.set()
