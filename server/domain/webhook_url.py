"""Which URLs can be a webhook's. What their hosts mean is seen when they are called."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

_FIRST_FREE_PORT: Final = 1024
_USUAL_PORTS: Final = (80, 443)


def objection(url: str, *, allow_http: bool) -> str | None:
    """Why a URL cannot be one; `None`: it can."""
    if not url.isascii() or not url.isprintable() or any(sign in url for sign in " \\#"):
        return "must be of printable ASCII characters, without blanks, backslashes and a fragment"
    try:
        return _objection(urlsplit(url), ("https", "http") if allow_http else ("https",))
    except ValueError:
        return "is no URL"


def _objection(parts: SplitResult, schemes: tuple[str, ...]) -> str | None:
    port = parts.port  # raises `ValueError` for what is none
    if parts.scheme not in schemes:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if not parts.hostname:
        return "must name a host"
    if parts.username is not None or parts.password is not None:
        return "must not have credentials"
    if port is not None and port < _FIRST_FREE_PORT and port not in _USUAL_PORTS:
        return "must name the port 443 or 80, or one from 1024"
    return None
