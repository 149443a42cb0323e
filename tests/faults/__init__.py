"""Faults against real server processes: kills, pauses, exceptions, broken stores. `make test-faults` plays all."""
