"""HTTP that connects to checked addresses only."""

import httpx2

from server.adapters.egress.addresses import Resolve, permitted_addresses


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Resolves the host for every request, checks each address and connects to exactly what was checked, redirects
    included. Proxies of the environment are not used: they would connect to what nobody checked.

    A connection is kept for its address, whoever was meant by it: use one transport for one host.
    """

    def __init__(self, inner: httpx2.AsyncHTTPTransport, *, allow_private: bool, resolver: Resolve) -> None:
        """`inner` makes the connections, and uses no proxy."""
        self._inner = inner
        self._allow_private = allow_private
        self._resolver = resolver

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`. Raises also `AddressRefused` and, for a host without address, `OSError`."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await permitted_addresses(
            url.host, port, allow_private=self._allow_private, resolver=self._resolver
        )
        failure: Exception = OSError("the host has no address")
        for address in addresses:
            try:
                return await self._inner.handle_async_request(_aimed(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


def _aimed(request: httpx2.Request, address: str) -> httpx2.Request:
    """The request for that address. The `Host` header and the name that the certificate must have stay the host's."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
