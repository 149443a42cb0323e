"""`parley keys`: makes, lists and revokes API keys straight in the store; it needs no running server and no key."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table

from server.application.key_operation import Keys
from server.bootstrap.keys import open_keys
from server.cli.data_directory import DataDirectory
from server.config import Settings
from server.domain.errors import ParleyError
from server.domain.key import ApiKey, KeyEnvironment, KeyStyle
from server.domain.principal import Owner
from server.domain.scope import SCOPES, unknown
from server.failure import CommandFailed

Result = TypeVar("Result")
_NAME_CHARACTERS = 255
# Names are there to be copied: a row that is wider than the terminal goes on in its next line, nothing is cut.
_WIDEST = 2000
_COLUMNS = ("KEY", "USER", "TENANT", "SCOPES", "CREATED", "EXPIRES", "USED", "STATE", "ID", "NAME")


def create(
    settings: Settings,
    *,
    tenant: str,
    user: str,
    scopes: Collection[str],
    style: KeyStyle,
    environment: KeyEnvironment,
    days: int | None,
    name: str,
    description: str,
    requests_per_minute: int | None,
) -> None:
    """Make a key and print it alone on standard output."""
    owner = Owner(tenant=_name("--tenant", tenant), user=_name("--user", user))
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def work(keys: Keys) -> str:
        _, text = await keys.create(
            owner,
            scopes=scopes,
            style=style,
            environment=environment,
            expires_at=expires_at,
            name=name,
            description=description,
            requests_per_minute=requests_per_minute,
        )
        return text

    if strangers := unknown(scopes):
        raise CommandFailed(f"--scope: {strangers[0]!r} is no scope; there are {', '.join(sorted(SCOPES))}.")
    typer.echo(_with_keys(settings, work))


def show(settings: Settings) -> None:
    """Print a table of all keys."""
    stored = _with_keys(settings, Keys.list)
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    now = datetime.now(UTC)
    for key in stored:
        table.add_row(*_row(key, now))
    Console(width=_WIDEST).print(table)


def revoke(settings: Settings, name: str) -> None:
    """Revoke a key named by id, prefix or its whole text."""
    revoked = _with_keys(settings, lambda keys: keys.revoke(name))
    if not revoked:
        raise CommandFailed("No valid key has that id or prefix. `parley keys list` shows them.")
    typer.echo(f"{revoked} keys share that prefix and are revoked." if revoked > 1 else "The key is revoked.")


def rotate(settings: Settings, name: str, *, hours: float) -> None:
    """Put a new key in the place of one, and print it alone on standard output."""
    rotated = _with_keys(settings, lambda keys: keys.rotate(name, timedelta(hours=hours)))
    if rotated is None:
        raise CommandFailed("No valid key, or more than one, has that id or prefix. `parley keys list` shows them.")
    typer.echo(rotated[1])


def usage(settings: Settings, name: str, *, days: int) -> None:
    """Print a table of how often the keys of that name were used, by day (UTC)."""
    found = _with_keys(settings, lambda keys: keys.usage(name, days=days))
    if not found:
        raise CommandFailed("No key has that id or prefix. `parley keys list` shows them.")
    table = Table("KEY", "DAY", "REQUESTS", box=None, pad_edge=False)
    for key, counted in found:
        for day, requests in counted:
            table.add_row(key.prefix, day.isoformat(), str(requests))
    Console(width=_WIDEST).print(table)


def _with_keys(settings: Settings, work: Callable[[Keys], Awaitable[Result]]) -> Result:
    directory = DataDirectory(settings.data)
    directory.prepare()

    async def run() -> Result:
        async with open_keys(settings, database=directory.database, pepper=directory.pepper()) as keys:
            return await work(keys)

    try:
        return asyncio.run(run())
    except ParleyError as error:
        raise CommandFailed(f"The keys cannot be reached: {error.message}.") from error


def _name(flag: str, text: str) -> str:
    name = text.strip()
    if not name or len(name) > _NAME_CHARACTERS or not name.isprintable():
        raise CommandFailed(f"{flag} takes 1 to {_NAME_CHARACTERS} printable characters.")
    return name


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    return (
        key.prefix,
        key.owner.user,
        key.owner.tenant,
        " ".join(sorted(key.scopes)),
        _day(key.created_at),
        _day(key.expires_at) if key.expires_at else "never",
        _day(key.last_used_at) if key.last_used_at else "never",
        "valid" if key.is_valid(now) else "revoked" if key.revoked_at else "expired",
        key.id,
        key.name,
    )


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
