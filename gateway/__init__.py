"""Parley's HTTP/JSON gateway: a general transcoder in front of any annotated gRPC service."""
