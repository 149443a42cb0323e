"""A scripted model server over real HTTP, for the tests of whatever calls a model."""

from tests.support.upstream.gate import Gate

__all__ = ["Gate"]
