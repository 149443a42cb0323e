"""The gateway's settings: parsed once, frozen, every limit with its default."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024
KIBIBYTE = 1024

INWARD_HEADERS = (
    "authorization",
    "x-api-key",
    "uni-api-key",
    "x-on-behalf-of",
    "traceparent",
    "x-request-id",
    "idempotency-key",
    "last-event-id",
)
OUTWARD_HEADERS = (
    "retry-after",
    "accept-ranges",
    "content-disposition",
    "content-range",
    "etag",
    "www-authenticate",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Limits and habits of one gateway. Sizes are bytes, times are seconds."""

    # Sizes.
    body_limit: int = 4 * MEBIBYTE
    """Largest request body, counted after decompression; more is 413."""
    message_limit: int = 4 * MEBIBYTE
    """Largest message to and from the upstream, as the wire would carry it; more is RESOURCE_EXHAUSTED."""
    header_limit: int = 8 * KIBIBYTE
    """All header fields together, each counted as name + value + 32 as HTTP/2 does; more is 431."""
    header_count: int = 64
    """Number of header fields; more is 431."""
    target_limit: int = 8 * KIBIBYTE
    """Path and query string together; more is 414."""
    stream_buffer: int = 256 * KIBIBYTE
    """Encoded events that wait for a slow reader; the servicer does not advance while it is full."""
    gzip_minimum: int = KIBIBYTE
    """Replies up to this size are not compressed."""

    connection_limit: int = 10_000
    """Connections open at a time; a further one gets 503 and is closed."""

    # Times.
    unary_timeout: float = 60.0
    """Deadline of a unary call whose caller and method name none. Streams have none by default."""
    timeout_cap: float = 900.0
    """Longest deadline a caller may ask for; longer ones are cut to it."""
    head_timeout: float = 10.0
    """Time for a request head to arrive."""
    body_timeout: float = 30.0
    """Time for a request body to arrive; after it 408."""
    idle_timeout: float = 75.0
    """Time a connection may stay open between requests."""
    stream_hold: float = 1.0
    """Time the head of a stream's reply is held for its first event, so that an early failure is a real status."""
    heartbeat: float = 15.0
    """Silence on a server-sent event stream after which a comment is written."""
    watch_after: float = 0.05
    """Time a unary call runs before its client's departure is watched for; short calls are spared the cost."""
    health_timeout: float = 2.0
    """Deadline of the health check behind `/readyz`."""

    # Who is served.
    allowed_hosts: tuple[str, ...] = ("*",)
    """Names and addresses that a request's `Host` may name, ports aside; others are 421. `*` is any."""
    hsts_seconds: int = 0
    """How long browsers shall come back with TLS only; 0: they are not told. For gateways that have TLS."""

    # Headers.
    inward_headers: tuple[str, ...] = INWARD_HEADERS
    """Request headers that become metadata, in lower case; no other ever does."""
    outward_headers: tuple[str, ...] = OUTWARD_HEADERS
    """Reply metadata that becomes headers, in lower case; no other ever does."""
    forwards_clients: bool = False
    """Whether calls say for whom they are made: in `x-forwarded-for`, the client's address behind what it sent there
    itself. The service decides how much of that it believes."""
    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may call from; `*` is any. Empty: no CORS at all."""
    cors_max_age: int = 600
    """Seconds a browser may remember a preflight."""
