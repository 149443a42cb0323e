"""`parley.v1.SearchService`."""

from typing import Any

from parley.v1 import search_pb2 as pb
from parley.v1 import search_pb2_grpc

from server.application.message_search import MessageSearches
from server.rpc.codecs.search import decode_search, encode_hits
from server.rpc.interceptors.call import owner


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Serves `SearchService`; what each method promises stands in its proto."""

    def __init__(self, searches: MessageSearches) -> None:
        self._searches = searches

    async def SearchMessages(self, request: pb.SearchMessagesRequest, _context: Any) -> pb.SearchMessagesResponse:
        """A page of the caller's messages that have these words."""
        hits = await self._searches.find(
            owner(), decode_search(request), page_size=request.page_size, page_token=request.page_token
        )
        return encode_hits(hits)
