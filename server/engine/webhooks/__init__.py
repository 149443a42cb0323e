"""Webhooks are told of what happens: events are queued for them, and what is queued is sent."""
