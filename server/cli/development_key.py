"""The development key: lets whoever started a server on this machine call it at once, as the user `dev`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from server.application.key_operation import Keys
from server.application.keys import KeyFactory
from server.cli.data_directory import DataDirectory
from server.domain.key import MOST_REQUESTS_PER_MINUTE, ApiKey
from server.domain.principal import Owner
from server.domain.scope import WILDCARD_SCOPE

OWNER: Final = Owner(tenant="default", user="dev")


@dataclass(frozen=True, slots=True)
class DevelopmentKey:
    """The key, or why there is none."""

    text: str | None
    why_not: str = ""


async def development_key(
    directory: DataDirectory, keys: Keys, factory: KeyFactory, *, loopback: bool
) -> DevelopmentKey:
    """The key of the file, made when there is none or when the database does not know it.

    It may be used as often as any key can be allowed to: who tries things out on one machine is not to be held up.
    One that was revoked stays revoked and is not replaced: delete the file for another. On addresses that others can
    reach there is none.
    """
    if not loopback:
        return DevelopmentKey(None, "none on addresses that others can reach: parley keys create --user USER")
    text = directory.read_development_key()
    stored = await _stored(keys, factory.digest(text)) if text else None
    if text and stored is not None:
        if stored.is_valid(datetime.now(UTC)):
            return DevelopmentKey(text)
        return DevelopmentKey(None, f"{stored.prefix} is revoked; delete {directory.development_key} for another")
    _, made = await keys.create(OWNER, scopes=[WILDCARD_SCOPE], requests_per_minute=MOST_REQUESTS_PER_MINUTE)
    directory.write_development_key(made)
    return DevelopmentKey(made)


async def _stored(keys: Keys, digest: str) -> ApiKey | None:
    return next((key for key in await keys.list() if key.digest == digest), None)
