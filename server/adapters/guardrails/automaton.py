"""Finds every one of many sequences in one pass over symbols (Aho and Corasick, 1975)."""

from collections import deque
from collections.abc import Iterable
from typing import Final

ROOT: Final = 0


class Automaton:
    """Its states are numbers. A state stands for the longest tail of what was read that begins a sequence."""

    def __init__(self, sequences: Iterable[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._shorter: list[int] = [ROOT]
        self.depth: list[int] = [0]
        """By state: how many symbols that tail has."""
        self.found: list[int | None] = [None]
        """By state: the longest sequence that ends here, by its index."""
        for index, sequence in enumerate(sequences):
            self._insert(sequence, index)
        self._link()

    def step(self, state: int, symbol: str) -> int:
        """The state after another symbol."""
        following = self._next
        while symbol not in following[state]:
            if state == ROOT:
                return ROOT
            state = self._shorter[state]
        return following[state][symbol]

    def _insert(self, sequence: str, index: int) -> None:
        state = ROOT
        for symbol in sequence:
            following = self._next[state].get(symbol)
            if following is None:
                following = self._next[state][symbol] = len(self._next)
                self._next.append({})
                self._shorter.append(ROOT)
                self.depth.append(self.depth[state] + 1)
                self.found.append(None)
            state = following
        if self.found[state] is None:
            self.found[state] = index

    def _link(self) -> None:
        """Breadth first: what a state falls back to is less deep, hence known."""
        queue = deque(self._next[ROOT].values())
        while queue:
            state = queue.popleft()
            for symbol, following in self._next[state].items():
                shorter = self.step(self._shorter[state], symbol)
                self._shorter[following] = shorter
                if self.found[following] is None:
                    self.found[following] = self.found[shorter]
                queue.append(following)
