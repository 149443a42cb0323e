"""Why there is no voice session."""

from datetime import timedelta

from server.domain.errors import NotFound, ParleyError


class VoiceUnavailable(ParleyError):
    """The operator has not set up voice."""

    reason = "VOICE_UNAVAILABLE"

    def __init__(self, cause: str) -> None:
        super().__init__(f"voice is not set up on this server: {cause}")


class VoiceServiceUnavailable(ParleyError):
    """What a session needs does not answer now."""

    reason = "VOICE_SERVICE_UNAVAILABLE"

    def __init__(self, cause: str, retry_after: timedelta | None = None) -> None:
        super().__init__(f"no voice session can be made now: {cause}; send again in a moment")
        self.retry_after = retry_after


class VoiceServiceRefused(ParleyError):
    """What a session needs answers, and refuses; sending again changes nothing before the operator has."""

    reason = "VOICE_SERVICE_REFUSED"

    def __init__(self, cause: str) -> None:
        super().__init__(f"no voice session can be made: {cause}; the operator has to mend that")


class VoiceSessionNotFound(NotFound):
    """The conversation has no voice session."""

    reason = "VOICE_SESSION_NOT_FOUND"

    def __init__(self, key: str) -> None:
        super().__init__(f"conversation {key!r} has no such voice session", metadata={"conversation_key": key})


class TooManyVoiceSessions(ParleyError):
    """As many sessions live as may."""

    reason = "TOO_MANY_VOICE_SESSIONS"

    def __init__(self, limit: str, most: int) -> None:
        super().__init__(
            f"the {limit} has {most} voice sessions already; end one", metadata={"limit": limit, "most": str(most)}
        )
