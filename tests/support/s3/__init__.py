"""A real S3-compatible storage for tests, and a proxy before it that breaks what passes."""
