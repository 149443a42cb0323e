"""Why messages cannot be searched."""

from server.domain.errors import ParleyError


class SearchQueryEmpty(ParleyError):
    """The query names nothing that a message must contain."""

    reason = "SEARCH_QUERY_EMPTY"

    def __init__(self) -> None:
        super().__init__("the query has no word to look for; words that are excluded are none")
