"""Parley's gRPC server: conversations, runs and their streams."""
