"""The pure part of the gateway: no I/O, no clock, no knowledge of any route or service."""
