"""Verifies the tokens of people (JWT, RFC 7519) with the keys of their issuer."""
