"""Proto messages to domain values and back: pure functions, one module a noun, no rules of their own."""
