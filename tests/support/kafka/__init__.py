"""Kafka for tests: a real broker, a mock cluster with faults, and what a topic holds."""
