"""The command line, `parley` or `python -m server`: hands flags to the parts of `server.cli` and says what failed."""

import os
import sys
from enum import StrEnum
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from server.config import load as load_settings
from server.config import load_client as load_client_settings
from server.domain.key import MOST_REQUESTS_PER_MINUTE, KeyEnvironment, KeyStyle
from server.domain.organization import MemberRole
from server.domain.principal import Owner
from server.domain.scope import WILDCARD_SCOPE
from server.failure import CommandFailed

_INTERRUPTED = 130

app = typer.Typer(
    help="Parley: a self-hosted conversation service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="Make, list, rotate and revoke API keys; also beside a running server.", no_args_is_help=True)
app.add_typer(keys, name="keys")
members = typer.Typer(help="Say who is what in an organization; also beside a running server.", no_args_is_help=True)
app.add_typer(members, name="members")


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


DataOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Directory of the database file and keys [PARLEY_DATA; ./.parley]")
]
TenantOption = Annotated[str, typer.Option(metavar="TENANT", help="Tenant of the organization")]
OrganizationOption = Annotated[str, typer.Option(metavar="NAME", help="Name of the organization")]
MemberArgument = Annotated[str, typer.Argument(metavar="USER", help="Name of the user")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, its prefix, or the key itself")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="sqlite:///FILE or postgresql://… [PARLEY_DATABASE; a SQLite file in DIR]"),
]


@app.command()
def serve(
    *,
    data: DataOption = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to listen for HTTP [PARLEY_HTTP; 127.0.0.1:8080]")
    ] = None,
    grpc: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to listen for gRPC [PARLEY_GRPC; 127.0.0.1:50051]")
    ] = None,
    database: DatabaseOption = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file that names providers and models [PARLEY_CONFIG]")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure", help="Allow addresses that others can reach, without TLS [PARLEY_INSECURE]"),
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain of both addresses [PARLEY_TLS_CERTIFICATE]")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key [PARLEY_TLS_KEY]")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities of clients' certificates [PARLEY_TLS_CLIENT_CA]")
    ] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="How much to log [PARLEY_LOG_LEVEL; info]")] = None,
) -> None:
    """Start the service: store, gRPC server and HTTP/JSON gateway in one process. Ctrl-C ends it.

    Every flag has the variable shown in brackets, followed by its default; docs/operation.md lists further variables.
    """
    # Before the parts are imported: what is wrong with the settings is said at once.
    settings = load_settings(
        {
            "data": data,
            "http": http,
            "grpc": grpc,
            "database": database,
            "config": config,
            "insecure": insecure,
            "tls_certificate": tls_certificate,
            "tls_key": tls_key,
            "tls_client_ca": tls_client_ca,
            "log_level": log_level,
        }
    )
    from server.cli.serve import serve as serve_command

    serve_command(settings)


@keys.command("create")
def create_key(
    *,
    user: Annotated[str, typer.Option(metavar="USER", help="User whom the key speaks for; comes into being with it")],
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Tenant of the user")] = "default",
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="What the key may do; repeat for several [*]")
    ] = None,
    style: Annotated[KeyStyle, typer.Option(help="How the key looks")] = KeyStyle.SECRET,
    env: Annotated[KeyEnvironment, typer.Option(help="What the key is for; shown in it")] = KeyEnvironment.LIVE,
    expires: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, max=36500, help="Days until the key expires [never]")
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="What to call it")] = "",
    description: Annotated[str, typer.Option(metavar="TEXT", help="What to say of it")] = "",
    requests: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, max=MOST_REQUESTS_PER_MINUTE, help="Calls a minute [as any key]"),
    ] = None,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Make a key and print it, alone, on standard output. It cannot be shown again."""
    from server.cli import keys as commands

    commands.create(
        load_settings({"data": data, "database": database}),
        tenant=tenant,
        user=user,
        scopes=scope or [WILDCARD_SCOPE],
        style=style,
        environment=env,
        days=expires,
        name=name,
        description=description,
        requests_per_minute=requests,
    )


@keys.command("list")
def list_keys(*, data: DataOption = None, database: DatabaseOption = None) -> None:
    """Show every key: its id and prefix, whose it is, what it may do. No secret is stored, so none is shown."""
    from server.cli import keys as commands

    commands.show(load_settings({"data": data, "database": database}))


@keys.command("revoke")
def revoke_key(
    key: KeyArgument,
    *,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Revoke a key. Running servers refuse it within a second."""
    from server.cli import keys as commands

    commands.revoke(load_settings({"data": data, "database": database}), key)


@keys.command("rotate")
def rotate_key(
    key: KeyArgument,
    *,
    overlap: Annotated[
        float, typer.Option(metavar="HOURS", min=0, max=168, help="How long the old key goes on counting")
    ] = 0,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Make a key like another one in its place and print it, alone, on standard output. It cannot be shown again."""
    from server.cli import keys as commands

    commands.rotate(load_settings({"data": data, "database": database}), key, hours=overlap)


@keys.command("usage")
def key_usage(
    key: KeyArgument,
    *,
    days: Annotated[int, typer.Option(metavar="DAYS", min=1, max=366, help="How far to look back")] = 30,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Show on which days a key was used, and how often."""
    from server.cli import keys as commands

    commands.usage(load_settings({"data": data, "database": database}), key, days=days)


@members.command("list")
def list_members(*, tenant: TenantOption = "default", data: DataOption = None, database: DatabaseOption = None) -> None:
    """Show every member of the tenant's organizations, removed ones included."""
    from server.cli import members as commands

    commands.show(load_settings({"data": data, "database": database}), tenant=tenant)


@members.command("set")
def set_member(
    user: MemberArgument,
    role: Annotated[MemberRole, typer.Argument(help="What the user may do from now on", case_sensitive=False)],
    *,
    organization: OrganizationOption = "Default",
    tenant: TenantOption = "default",
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Make a user an active member, or change a member's role. Running servers go by it from the next call on."""
    from server.cli import members as commands

    settings = load_settings({"data": data, "database": database})
    commands.set_role(settings, Owner(tenant, user), role, organization=organization)


@members.command("remove")
def remove_member(
    user: MemberArgument,
    *,
    organization: OrganizationOption = "Default",
    tenant: TenantOption = "default",
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Remove a member; the member's own conversations stay. Running servers go by it from the next call on."""
    from server.cli import members as commands

    settings = load_settings({"data": data, "database": database})
    commands.remove(settings, Owner(tenant, user), organization=organization)


@app.command()
def chat(
    message: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MESSAGE]", help="Send this, show the answer, leave; else a conversation"),
    ] = None,
    *,
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="gRPC address [PARLEY_SERVER; the server on DIR]")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="API key [PARLEY_KEY; the development key in DIR]")
    ] = None,
    thread: Annotated[
        str | None, typer.Option(metavar="KEY", help="Thread to resume, or to create under this key [a new one]")
    ] = None,
    server_tls: Annotated[
        bool | None, typer.Option("--server-tls/--no-server-tls", help="Speak TLS to it [PARLEY_SERVER_TLS]")
    ] = None,
    server_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities to trust, in PEM form [PARLEY_SERVER_CA]")
    ] = None,
    client_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate to show [PARLEY_CLIENT_CERTIFICATE]")
    ] = None,
    client_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key [PARLEY_CLIENT_KEY]")] = None,
    data: DataOption = None,
) -> int:
    """Talk to a running server in the terminal. Ctrl-C ends an answer; at the prompt it leaves."""
    from server.cli.chat import chat as chat_command

    is_whole = chat_command(
        " ".join(message) if message else None,
        load_client_settings(
            {
                "server": server,
                "key": key,
                "server_tls": server_tls,
                "server_ca": server_ca,
                "client_certificate": client_certificate,
                "client_key": client_key,
            }
        ),
        load_settings({"data": data}),
        thread_key=thread,
    )
    return 0 if is_whole else CommandFailed.exit_code


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("parley"))


def main() -> None:
    """Run the command line and exit: 0, 1 when something failed, 2 when it was asked wrongly, 130 on Ctrl-C."""
    os.umask(0o077)
    # What gRPC's core says on standard error is said in our words, or is no news.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        code = app(prog_name="parley", standalone_mode=False)
    except CommandFailed as refusal:
        typer.echo(f"parley: {refusal}", err=True)
        code = refusal.exit_code
    except TyperException as misuse:
        code = _explain(misuse)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    sys.exit(code)


def _explain(misuse: TyperException) -> int:
    sentence = misuse.format_message().replace("Value error, ", "").rstrip(".")
    if sentence:
        context = getattr(misuse, "ctx", None)
        command = context.command_path if context else "parley"
        typer.echo(f"parley: {sentence}. See `{command} --help`.", err=True)
    return misuse.exit_code


if __name__ == "__main__":
    main()
