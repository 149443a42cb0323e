"""Use cases: what callers can do, in the words of the domain. No transport, no driver."""
