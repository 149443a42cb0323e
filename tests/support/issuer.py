"""An identity provider on a loopback port: signs tokens, publishes its keys, and can be away, slow or wrong."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.canaries.marks import canary

AUDIENCE: Final = "parley"
SECRET: Final = canary("jwt-secret")

_MAKERS: Final[dict[str, Callable[[], Any]]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
_PUBLISHED: Final[dict[str, Callable[[Any], Any]]] = {
    "RS256": lambda key: RSAAlgorithm.to_jwk(key, as_dict=True),
    "ES256": lambda key: ECAlgorithm.to_jwk(key, as_dict=True),
    "EdDSA": lambda key: OKPAlgorithm.to_jwk(key, as_dict=True),
}


class Issuer:
    """Entered with `async with`, it publishes one key of each algorithm, named for it.

    `keys` are its private keys by id, `body` what it answers instead of them, `status` with what; `gate` holds every
    answer back while it is cleared.
    """

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {name: (name, make()) for name, make in _MAKERS.items()}
        self.body: bytes | None = None
        self.status = 200
        self.headers = ""
        self.requests = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[Any]] = set()
        self._port = 0

    @property
    def name(self) -> str:
        """What its tokens call it."""
        return "https://issuer.example"

    @property
    def url(self) -> str:
        """Where its keys are published."""
        return f"http://127.0.0.1:{self._port}/keys.json"

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_away()

    async def go_away(self) -> None:
        """Close the port and every connection."""
        if self._server is None:
            return
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def come_back(self) -> None:
        """Listen, on the port of before."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def rotate(self, algorithm: str, name: str) -> None:
        """Put a new key, of that id, in the place of the algorithm's."""
        self.keys = {key: value for key, value in self.keys.items() if value[0] != algorithm}
        self.keys[name] = (algorithm, _MAKERS[algorithm]())

    def key_set(self) -> dict[str, Any]:
        """Its keys as it publishes them."""
        return {
            "keys": [
                {**_PUBLISHED[algorithm](key.public_key()), "kid": name, "use": "sig", "alg": algorithm}
                for name, (algorithm, key) in self.keys.items()
            ]
        }

    def claims(self, user: str = "anna", tenant: str | None = "acme", **more: Any) -> dict[str, Any]:
        """What a good token says; `None` leaves a claim out."""
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": self.name, "aud": AUDIENCE, "sub": user, "tenant_id": tenant, "iat": now, "exp": now + 3600}
        return {name: value for name, value in {**claims, **more}.items() if value is not None}

    def token(self, user: str = "anna", tenant: str | None = "acme", *, key: str = "ES256", **more: Any) -> str:
        """A token signed with the key of that id."""
        algorithm, private = self.keys[key]
        return jwt.encode(self.claims(user, tenant, **more), private, algorithm, {"kid": key})

    def shared(self, user: str = "anna", tenant: str | None = "acme", *, secret: str = SECRET, **more: Any) -> str:
        """A token signed with the shared secret."""
        return jwt.encode(self.claims(user, tenant, **more), secret, "HS256")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            await self.gate.wait()
            body = json.dumps(self.key_set()).encode() if self.body is None else self.body
            head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{self.headers}\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._handlers.discard(task)
            writer.close()
