"""The settings: parsed once at start from flags and `PARLEY_*` variables, then frozen.

A flag goes before its variable, a variable before the default. A `PARLEY_*` variable that nobody reads is an error, for
a misspelt one would otherwise be a setting silently lost. Secrets are `SecretStr`, which does not print.
"""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from server import limit_settings
from server.address import Address, Network, is_safe_url
from server.attachment_settings import AttachmentSettings
from server.domain.limits import Limits
from server.failure import InvalidConfiguration
from server.kafka_settings import KafkaSettings
from server.webhook_settings import WebhookSettings

PREFIX = "PARLEY_"
_MIN_PEPPER_CHARACTERS = 16
_MIN_SECRET_BYTES = 32
_LIMITS = Limits()
_LONGEST_WAIT = timedelta(days=366)

LogLevel = Literal["debug", "info", "warning", "error"]
ListenAddress = Annotated[Address, NoDecode, BeforeValidator(lambda value: _from_text(value, Address.parse))]
Exposure = Literal["off", "loopback", "on"]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(lambda value: _from_text(value, _names))]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(lambda value: _from_text(value, _networks))]


class ClientSettings(BaseSettings):
    """What `parley chat` reads."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    server: str | None = Field(None, description="gRPC address of the server that `parley chat` talks to")
    key: SecretStr | None = Field(None, description="API key of `parley chat`")
    server_tls: bool | None = Field(
        None,
        description="Whether `parley chat` speaks TLS to it; unset: where its directory or a file below says so",
    )
    server_ca: Path | None = Field(
        None, description="PEM file of the authorities that `parley chat` trusts; unset: those that gRPC brings along"
    )
    client_certificate: Path | None = Field(
        None, description="PEM file of the certificate of `parley chat`, for servers that ask for one"
    )
    client_key: Path | None = Field(None, description="PEM file of its private key, readable by its owner alone")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("PARLEY_CLIENT_CERTIFICATE and PARLEY_CLIENT_KEY go together, and one of them is missing")
        if self.server_tls is False and (self.server_ca or self.client_certificate):
            raise ValueError("PARLEY_SERVER_TLS turns off what PARLEY_SERVER_CA and PARLEY_CLIENT_CERTIFICATE are for")
        return self


class Settings(KafkaSettings, AttachmentSettings, WebhookSettings):
    """What `parley serve` and `parley keys` read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    data: Path = Field(Path(".parley"), description="Directory of the database file, the keys and the addresses")
    http: ListenAddress = Field(
        Address("127.0.0.1", 8080), description="Where to listen for HTTP; port 0 is any free port"
    )
    grpc: ListenAddress = Field(
        Address("127.0.0.1", 50051), description="Where to listen for gRPC; port 0 is any free port"
    )
    database: SecretStr | None = Field(
        None,
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; unset: a file in the data directory",
    )
    files: Path | None = Field(
        None,
        description="Directory of the contents of files and generated images, shared by every process on a database; "
        "unset: `files` in the data directory",
    )
    config: Path | None = Field(
        None,
        description="TOML file of providers, their models, prices, budgets, the guardrails, voice and the MCP servers",
    )
    insecure: bool = Field(False, description="Allow addresses that other machines can reach, without TLS")
    tls_certificate: Path | None = Field(
        None,
        description="PEM file of the certificate chain of both addresses; renewed files are taken up",
    )
    tls_key: Path | None = Field(None, description="PEM file of its private key, readable by its owner alone")
    tls_client_ca: Path | None = Field(
        None, description="PEM file of the authorities from one of which every client must have a certificate"
    )
    cors_origins: Names = Field((), description="Origins whose web pages may call, separated by commas; `*` is any")
    allowed_hosts: Names = Field(
        (),
        description="Names by which HTTP calls may ask for it, besides the one bound to and those of loopback, "
        "separated by commas; unset on addresses such as `0.0.0.0`: any",
    )
    hsts_seconds: int = Field(
        31_536_000, ge=0, description="With TLS: how long browsers shall come back with TLS only; 0 does not tell them"
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses and networks of proxies and gateways whose `X-Forwarded-For` is believed, "
        "separated by commas",
    )
    docs: Exposure = Field(
        "loopback",
        description="Who sees `/docs` and `/openapi.json`: `off`, `loopback` (callers on this machine), `on`",
    )
    metrics: Exposure = Field("loopback", description="Who sees `/metrics`: as above")
    reflection: Exposure = Field(
        "loopback", description="gRPC reflection: `off`, `loopback` (where gRPC listens for this machine alone), `on`"
    )
    connections: int = Field(10_000, gt=0, description="Connections that each of the two addresses holds at a time")
    log_level: LogLevel = Field("info", description="`debug`, `info`, `warning` or `error`")
    grace_seconds: float = Field(
        25, gt=0, description="How long running answers may take to finish after a stop signal"
    )
    key_pepper: SecretStr | None = Field(
        None,
        description="Secret under which keys are hashed; unset: made once, in the file `pepper` of the data directory",
    )

    jwt_issuer: str | None = Field(None, description="Issuer of the tokens of people, which are taken beside keys then")
    jwt_audience: str | None = Field(None, description="What such tokens must name as their audience")
    jwt_jwks_url: str | None = Field(None, description="Where the issuer publishes its keys: RS256, ES256 and EdDSA")
    jwt_secret: SecretStr | None = Field(None, description="Secret shared with the issuer, at least 32 bytes: HS256")
    jwt_tenants: Names = Field((), description="Tenants that tokens may name, separated by commas; unset: any")
    jwt_leeway_seconds: float = Field(30, ge=0, le=300, description="How far the issuer's clock may be from this one")
    jwt_jwks_seconds: float = Field(300, ge=10, description="How old the issuer's keys may get before they are fetched")

    openrouter_api_key: SecretStr | None = Field(
        None, validation_alias="OPENROUTER_API_KEY", description="Makes OpenRouter the default provider"
    )
    openai_base_url: str | None = Field(
        None, description="Base URL of any OpenAI-compatible server, such as `http://127.0.0.1:11434/v1`"
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for that server")
    default_model: str | None = Field(None, description="Model of conversations that name none")
    image_model: str | None = Field(None, description="Model that draws the images of messages that name none")

    unary_seconds: float = Field(
        _LIMITS.unary_call.total_seconds(),
        gt=0,
        description="Seconds that a call may take whose caller names no deadline",
    )
    queue_per_conversation: int = Field(
        _LIMITS.queue_per_conversation, ge=0, description="Messages that may wait in a conversation"
    )
    run_seconds: float = Field(_LIMITS.run_duration.total_seconds(), gt=0, description="Seconds that a run may take")
    run_output_bytes: int = Field(_LIMITS.run_output_bytes, gt=0, description="How long an answer may get")
    run_attempts: int = Field(_LIMITS.run_attempts, ge=1, description="How often a run is begun again after a crash")
    tool_rounds: int = Field(_LIMITS.tool_rounds, ge=0, description="How many answers of a run may ask for tools")
    approval_seconds: float = Field(
        _LIMITS.approval_lifetime.total_seconds(),
        gt=0,
        le=_LONGEST_WAIT.total_seconds(),
        description="How long a tool call waits for a person's approval, or for the client's result",
    )
    lease_seconds: float = Field(
        _LIMITS.lease.total_seconds(), gt=0, description="How long a worker that went silent keeps its runs"
    )
    lease_heartbeat_seconds: float = Field(
        _LIMITS.lease_heartbeat.total_seconds(), gt=0, description="How often a worker renews its leases"
    )
    cache_seconds: float = Field(
        _LIMITS.cache_lifetime.total_seconds(),
        ge=0,
        description="How long an answer may be given again to whom it was given; 0 is never",
    )
    cache_answer_bytes: int = Field(_LIMITS.cache_answer_bytes, ge=0, description="How long an answer is kept for that")
    compaction_seconds: float = Field(
        _LIMITS.compaction_duration.total_seconds(),
        gt=0,
        description="Seconds that the model may take to summarise older messages",
    )
    stream_buffer_bytes: int = Field(
        _LIMITS.stream_buffer_bytes,
        gt=0,
        description="What a slow reader may be behind before it catches up from the store",
    )
    stream_heartbeat_seconds: float = Field(
        _LIMITS.stream_heartbeat.total_seconds(), gt=0, description="How often a silent stream shows that it lives"
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="URL at which clients reach the HTTP address, for signed URLs; unset: those have no host",
    )
    upload_bytes: int = Field(_LIMITS.upload_bytes, ge=0, description="Bytes that a file of a user may have")
    storage_bytes: int = Field(_LIMITS.storage_bytes, ge=0, description="Bytes that a user may keep in files")
    storage_entries: int = Field(_LIMITS.storage_entries, ge=0, description="Files and folders that a user may keep")

    requests_per_key: int = limit_settings.REQUESTS_PER_KEY
    requests_per_user: int = limit_settings.REQUESTS_PER_USER
    requests_per_tenant: int = limit_settings.REQUESTS_PER_TENANT
    failed_authentications: int = limit_settings.FAILED_AUTHENTICATIONS
    streams_per_key: int = limit_settings.STREAMS_PER_KEY
    runs_per_key: int = limit_settings.RUNS_PER_KEY

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("PARLEY_TLS_CERTIFICATE and PARLEY_TLS_KEY go together, and one of them is missing")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("PARLEY_TLS_CLIENT_CA needs PARLEY_TLS_CERTIFICATE and PARLEY_TLS_KEY")
        if self.lease_heartbeat_seconds * 2 > self.lease_seconds:
            raise ValueError("PARLEY_LEASE_SECONDS must be at least twice PARLEY_LEASE_HEARTBEAT_SECONDS")
        if self.key_pepper is not None and len(self.key_pepper.get_secret_value()) < _MIN_PEPPER_CHARACTERS:
            raise ValueError(f"PARLEY_KEY_PEPPER must have at least {_MIN_PEPPER_CHARACTERS} characters")
        self.check_kafka()
        if self.jwt_issuer or self.jwt_audience or self.jwt_jwks_url or self.jwt_secret:
            self._check_tokens()
        return self

    def _check_tokens(self) -> None:
        if not (self.jwt_issuer and self.jwt_audience and (self.jwt_jwks_url or self.jwt_secret)):
            raise ValueError(
                "Tokens need PARLEY_JWT_ISSUER, PARLEY_JWT_AUDIENCE, and PARLEY_JWT_JWKS_URL or PARLEY_JWT_SECRET"
            )
        if self.jwt_secret is not None and len(self.jwt_secret.get_secret_value().encode()) < _MIN_SECRET_BYTES:
            raise ValueError(f"PARLEY_JWT_SECRET must have at least {_MIN_SECRET_BYTES} bytes")
        if self.jwt_jwks_url is not None and not is_safe_url(self.jwt_jwks_url):
            raise ValueError("PARLEY_JWT_JWKS_URL must be an https URL, or an http one of this machine, without a user")

    @property
    def limits(self) -> Limits:
        """The bounds of runs and streams that these settings give."""
        return Limits(
            unary_call=timedelta(seconds=self.unary_seconds),
            queue_per_conversation=self.queue_per_conversation,
            runs_per_caller=self.runs_per_key,
            run_duration=timedelta(seconds=self.run_seconds),
            run_output_bytes=self.run_output_bytes,
            run_attempts=self.run_attempts,
            tool_rounds=self.tool_rounds,
            approval_lifetime=timedelta(seconds=self.approval_seconds),
            lease=timedelta(seconds=self.lease_seconds),
            lease_heartbeat=timedelta(seconds=self.lease_heartbeat_seconds),
            cache_lifetime=timedelta(seconds=self.cache_seconds),
            cache_answer_bytes=self.cache_answer_bytes,
            compaction_duration=timedelta(seconds=self.compaction_seconds),
            upload_bytes=self.upload_bytes,
            storage_bytes=self.storage_bytes,
            storage_entries=self.storage_entries,
            attachments=self.attachment_limits,
            stream_buffer_bytes=self.stream_buffer_bytes,
            stream_heartbeat=timedelta(seconds=self.stream_heartbeat_seconds),
        )

    @property
    def binds_to_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.http.is_loopback and self.grpc.is_loopback


def variable(settings: type[BaseSettings], field: str) -> str:
    """The environment variable that sets a field."""
    alias = settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def variables() -> list[str]:
    """Every variable that the service reads, in the order of their declaration."""
    return [variable(settings, field) for settings in (Settings, ClientSettings) for field in settings.model_fields]


def load(flags: Mapping[str, object]) -> Settings:
    """Read the settings; a flag that is `None` was not given.

    Raises `InvalidConfiguration`, which names the flag or the variable and what is wrong with it.
    """
    refuse_unknown_variables()
    return _parse(Settings, flags)


def load_client(flags: Mapping[str, object]) -> ClientSettings:
    """As `load`, for the terminal client."""
    refuse_unknown_variables()
    return _parse(ClientSettings, flags)


def refuse_unknown_variables() -> None:
    """Raise `InvalidConfiguration` for a `PARLEY_*` variable that nobody reads, with the nearest that somebody does."""
    known = variables()
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            nearest = get_close_matches(name.upper(), known, n=1, cutoff=0)
            raise InvalidConfiguration(
                f"The environment has {name}, which is no setting of Parley. "
                f"Did you mean {nearest[0]}? Otherwise unset it."
            )


AnySettings = TypeVar("AnySettings", Settings, ClientSettings)


def _names(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _networks(text: str) -> list[Network]:
    """Addresses and networks. Raises `ValueError` with a sentence."""
    try:
        return [ip_network(word) for word in _names(text)]
    except ValueError as error:
        raise ValueError(f"expected addresses and networks such as 10.0.0.0/8, but {error}") from None


def _from_text(value: object, parse: Callable[[str], object]) -> object:
    return parse(value) if isinstance(value, str) else value


def _parse(settings: type[AnySettings], flags: Mapping[str, object]) -> AnySettings:
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return settings(**given)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as error:
        raise InvalidConfiguration(_sentences(settings, error, given)) from None


def _sentences(settings: type[BaseSettings], error: ValidationError, flags: Mapping[str, object]) -> str:
    return " ".join(
        _sentence(settings, str(fact["loc"][0]) if fact["loc"] else None, fact["msg"], flags)
        for fact in error.errors(include_url=False, include_input=False)
    )


def _sentence(settings: type[BaseSettings], place: str | None, message: str, flags: Mapping[str, object]) -> str:
    text = message.removeprefix("Value error, ").rstrip(".")
    if place is None:
        return f"{text}."
    field = place if place in settings.model_fields else place.lower()
    source = f"--{field.replace('_', '-')}" if field in flags else variable(settings, field)
    return f"{source}: {text}."
