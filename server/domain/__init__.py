"""Pure data and rules of conversations, runs and events; no I/O, no clock, no framework."""
