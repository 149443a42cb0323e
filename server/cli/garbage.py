"""Python's garbage collector, set up for a process that has started and now serves."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_ALLOCATIONS: Final = 20_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Take what start-up made out of the collector's sight, and look at the rest less often, for the length of a block.

    Modules, descriptors and compiled routes live as long as the process, and a full collection would walk through all
    of them. Calls leave few cycles behind, but each makes more than the 700 objects after which Python looks at the
    youngest; while a page of messages is put together those are all alive and looked at in vain.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
