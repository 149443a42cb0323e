"""Requests to URLs that somebody else has named."""
