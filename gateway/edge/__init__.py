"""The part of the gateway that does I/O: the ASGI application, the upstreams, the HTTP server."""
