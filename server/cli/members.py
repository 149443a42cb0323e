"""`parley members`: lists, sets and removes members of organizations straight in the store, beside a server or without
one; for who operates the service. What it changes counts from the next call on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table

from server.application.members import Members, OrganizationNotFound
from server.bootstrap.members import open_members
from server.cli.data_directory import DataDirectory
from server.config import Settings
from server.domain.errors import LastOwner, ParleyError, UserNotFound
from server.domain.organization import MemberRole
from server.domain.principal import Owner
from server.failure import CommandFailed

Result = TypeVar("Result")
# A row that is wider than the terminal goes on in its next line, nothing is cut.
_WIDEST = 2000


def show(settings: Settings, *, tenant: str) -> None:
    """Print a table of all members of a tenant's organizations."""
    found = _with_members(settings, lambda members: members.of_tenant(tenant))
    table = Table("ORGANIZATION", "USER", "ROLE", "STATE", "ORGANIZATION ID", box=None, pad_edge=False)
    for organization, member in found:
        state = "active" if member.is_active else "removed"
        table.add_row(organization.name, member.user, member.role.value, state, organization.id)
    Console(width=_WIDEST).print(table)


def set_role(settings: Settings, user: Owner, role: MemberRole, *, organization: str) -> None:
    """Make a user a member, or change a member's role."""
    _with_members(settings, lambda members: members.set(user, organization, role))
    typer.echo(f"{user.user} is {role.value} of {organization}.")


def remove(settings: Settings, user: Owner, *, organization: str) -> None:
    """Remove a member."""
    _with_members(settings, lambda members: members.remove(user, organization))
    typer.echo(f"{user.user} is removed from {organization}.")


def _with_members(settings: Settings, work: Callable[[Members], Awaitable[Result]]) -> Result:
    directory = DataDirectory(settings.data)
    directory.prepare()

    async def run() -> Result:
        async with open_members(settings, database=directory.database) as members:
            return await work(members)

    try:
        return asyncio.run(run())
    except UserNotFound as error:
        raise CommandFailed(f"There is {error.message} here. A user comes into being with a key.") from error
    except OrganizationNotFound as error:
        raise CommandFailed(f"{_sentence(error)} `parley members list` shows them.") from error
    except LastOwner as error:
        raise CommandFailed(_sentence(error)) from error
    except ParleyError as error:
        raise CommandFailed(f"The members cannot be reached: {error.message}.") from error


def _sentence(error: ParleyError) -> str:
    return f"{error.message[0].upper()}{error.message[1:]}."
