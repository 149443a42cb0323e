"""What goes wrong with a provider, as `ProviderError`: the reason, and a sentence that a caller can act on.

The provider's own words are quoted where they help ("You have insufficient credits"), without secrets: see
`error_body`.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, NamedTuple

from server.adapters.provider.error_body import ReportedError, json_object, quotable, read_error, read_error_body
from server.adapters.provider.retry_after import parse_retry_after
from server.ports.provider import ProviderError

_CONTEXT_CODES: Final = frozenset({"context_length_exceeded", "context_window_exceeded", "exceed_context_size_error"})
# Many servers have no code for it: these are the words of vLLM, llama.cpp, OpenRouter and Anthropic.
_CONTEXT_WORDS: Final = re.compile(
    r"(?i)maximum context length|context (?:length|window|size)|(?:prompt|input) is too long"
)
_MODEL_CODES: Final = frozenset({"model_not_found"})
_MODEL_WORDS: Final = re.compile(r"(?i)is not a valid model")
_QUOTA_CODES: Final = frozenset({"insufficient_quota"})
_PASSING_CODES: Final = frozenset(
    {"408", "429", "500", "502", "503", "504", "529"}
    | {"server_error", "overloaded_error", "rate_limit_exceeded", "timeout", "UNAVAILABLE"}
)
_BAD_REQUEST: Final = frozenset({400, 413, 422})


class _Refusal(NamedTuple):
    """What a status means."""

    reason: str
    what: str
    retryable: bool = False
    quoted: bool = True


_BY_STATUS: Final = {
    # Not quoted: providers repeat the key here, masked each in its own way.
    401: _Refusal(
        "PROVIDER_UNAUTHENTICATED", "refused its API key. Have the operator mend the provider's key", quoted=False
    ),
    403: _Refusal(
        "PROVIDER_UNAUTHENTICATED", "does not allow this. Have the operator see to the rights of the provider's key"
    ),
    408: _Refusal("PROVIDER_TIMEOUT", "gave up waiting. Send again", retryable=True),
}
_BY_HUNDREDS: Final = {
    3: _Refusal(
        "PROVIDER_REJECTED_REQUEST",
        "points elsewhere, which is not followed. Have its base URL corrected",
        quoted=False,
    ),
    4: _Refusal("PROVIDER_REJECTED_REQUEST", "refused the request"),
    5: _Refusal("PROVIDER_UNAVAILABLE", "has a failure of its own. Send again in a moment", retryable=True),
}


class Failures:
    """The failures of one provider."""

    def __init__(self, *, provider: str, secrets: Collection[str]) -> None:
        """Name the provider in every message; keep `secrets` out of all of them."""
        self._who = f"The provider {provider!r}"
        self._secrets = tuple(secrets)

    def refused(
        self, *, status: int, headers: Mapping[str, str], body: bytes, model: str, now: datetime
    ) -> ProviderError:
        """An answer whose status is not 200; `body` may be cut off."""
        said = read_error_body(body)
        wait = parse_retry_after(headers.get("retry-after"), now)
        if status in _BAD_REQUEST and (error := self._known(said, model)):
            return error
        if status == HTTPStatus.NOT_FOUND:
            return self._unknown_model(model, said)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return self._rate_limited(said, wait)
        refusal = _BY_STATUS.get(status) or _BY_HUNDREDS.get(status // 100)
        if refusal is None:
            return self.malformed(f"HTTP {status} without an answer")
        return self._error(
            refusal.reason,
            f"answered HTTP {status}: it {refusal.what}",
            said if refusal.quoted else None,
            retryable=refusal.retryable,
            retry_after=wait if refusal.retryable else None,
        )

    def reported(self, error: object, model: str) -> ProviderError:
        """The `error` member of an answer whose status was 200."""
        said = read_error(error)
        passing = not said.codes.isdisjoint(_PASSING_CODES)
        return self._known(said, model) or self._error(
            "PROVIDER_REPORTED_ERROR", "reported an error instead of an answer", said, retryable=passing
        )

    def refused_image(self, what: str) -> ProviderError:
        """An image that is not taken; `what` says why."""
        return self._error("PROVIDER_PROTOCOL_ERROR", f"sent {what}. Choose another image model")

    def answered_at_once(self, body: bytes, model: str) -> ProviderError:
        """A JSON document whose status was 200, where a stream was asked for."""
        error = json_object(body).get("error")
        if error:
            return self.reported(error, model)
        return self.malformed("a JSON document instead of a stream of events")

    def unreachable(self, what: str) -> ProviderError:
        """No connection, or one that broke before the answer began."""
        return self._error("PROVIDER_UNAVAILABLE", f"{what}. Send again in a moment", retryable=True)

    def timed_out(self, limit: timedelta, *, what_for: str = "token") -> ProviderError:
        """No piece of the answer, or whatever else was asked for, came in time."""
        what = f"sent no {what_for} within {limit.total_seconds():g} s. Send again"
        return self._error("PROVIDER_TIMEOUT", what, retryable=True)

    def stalled(self, limit: timedelta) -> ProviderError:
        """The answer began and fell silent."""
        what = f"fell silent for {limit.total_seconds():g} s in the middle of the answer. Send again"
        return self._error("PROVIDER_STALLED", what, retryable=True)

    def cut(self) -> ProviderError:
        """The answer ended without saying that it is whole."""
        return self._error("PROVIDER_STREAM_CUT", "broke off in the middle of the answer. Send again", retryable=True)

    def malformed(self, what: str) -> ProviderError:
        """Something that is not the protocol; `what` names it without quoting it."""
        return self._error(
            "PROVIDER_PROTOCOL_ERROR", f"does not speak the protocol: {what}. Have its base URL and kind checked"
        )

    def too_long(self, what: str) -> ProviderError:
        """More than may be kept of an answer; `what` says of what."""
        return self._error("OUTPUT_TOO_LONG", f"{what}. Ask for less at once")

    def _known(self, said: ReportedError, model: str) -> ProviderError | None:
        """The errors that are known by what is said, whatever the status."""
        if not said.codes.isdisjoint(_CONTEXT_CODES) or _CONTEXT_WORDS.search(said.message):
            what = f"finds the conversation too long for {model!r}. Shorten it or choose another model"
            return self._error("CONTEXT_TOO_LONG", what, said)
        if not said.codes.isdisjoint(_MODEL_CODES) or _MODEL_WORDS.search(said.message):
            return self._unknown_model(model, said)
        return None

    def _unknown_model(self, model: str, said: ReportedError) -> ProviderError:
        what = f"does not know the model {quotable(model, self._secrets)!r}. Choose another model"
        return self._error("PROVIDER_MODEL_NOT_FOUND", what, said)

    def _rate_limited(self, said: ReportedError, wait: timedelta | None) -> ProviderError:
        if not said.codes.isdisjoint(_QUOTA_CODES):
            what = "answered HTTP 429: it has no quota left for its key. Have the operator see to the account"
            return self._error("PROVIDER_RATE_LIMITED", what, said, retry_after=wait)
        when = "in a moment" if wait is None else f"in {wait.total_seconds():g} s"
        what = f"answered HTTP 429: it limits the rate of requests. Send again {when}"
        return self._error("PROVIDER_RATE_LIMITED", what, said, retryable=True, retry_after=wait)

    def _error(
        self,
        reason: str,
        what: str,
        said: ReportedError | None = None,
        *,
        retryable: bool = False,
        retry_after: timedelta | None = None,
    ) -> ProviderError:
        quote = quotable(said.message, self._secrets) if said else ""
        return ProviderError(reason, f"{self._who} {what}.", retryable=retryable, retry_after=retry_after, quote=quote)
