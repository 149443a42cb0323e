"""Puts the page of the console together: one HTML file that loads nothing, and the policy that lets it load nothing."""

import base64
import hashlib
from importlib import resources

from gateway.edge.asgi import RawHeader
from gateway.edge.console.content import Content

_SCRIPTS = ("dom.js", "schema.js", "operation.js", "request.js", "try.js", "main.js")
_STATIC = resources.files(__package__) / "static"


def console_page() -> Content:
    """Read the parts of the page and join them. The policy names the hashes of its one style and its one script."""
    style = _read("style.css")
    script = '"use strict";\n(() => {\n' + "\n".join(_read(name) for name in _SCRIPTS) + "\n})();\n"
    html = _read("page.html").replace("/*style*/", style).replace("/*script*/", script)
    return Content.of(html.encode(), b"text/html; charset=utf-8", _policy(style, script))


def _policy(style: str, script: str) -> tuple[RawHeader, ...]:
    directives = (
        "default-src 'none'",
        f"script-src '{_digest(script)}'",
        f"style-src '{_digest(style)}'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return (
        (b"content-security-policy", "; ".join(directives).encode()),
        (b"cross-origin-opener-policy", b"same-origin"),
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
