"""A toy service with every template and body form, which no code of the gateway knows."""

from tests.support.toy.compiled import SERVICES, Toy, compiled
from tests.support.toy.servicers import Calls, Forms, Quirks, Record, add_all

__all__ = ["SERVICES", "Calls", "Forms", "Quirks", "Record", "Toy", "add_all", "compiled"]
