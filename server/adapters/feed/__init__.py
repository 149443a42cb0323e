"""Feeds: how streams learn of stored events."""
