"""What the configuration file says: providers, prices and budgets, guardrails, storage, tool servers."""

import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog

from server.adapters.blobs.s3.config import S3Config, read_storage
from server.adapters.blobs.s3.draft import LARGEST_BYTES
from server.adapters.guardrails.configuration import GuardrailsConfig, load_guardrails
from server.adapters.memory.configuration import EmbedderConfig, read_memory
from server.adapters.provider.configuration import ConfigurationError, ProvidersConfig, load_providers
from server.adapters.spending.configuration import SpendingConfig, load_spending
from server.adapters.tools.server_config import ToolServerConfig
from server.adapters.tools.toml_servers import read_tool_servers
from server.adapters.voice.configuration import VoiceConfig, read_voice
from server.config import Settings
from server.failure import InvalidConfiguration

_log = structlog.get_logger(__name__)

_TABLES_OF_THE_FILE = frozenset(
    {
        *("providers", "guardrails", "mcp_servers", "memory", "storage", "default_model", "default_image_model"),
        *("prices", "budgets", "voice"),
    }
)


def read_providers(settings: Settings, env: Mapping[str, str]) -> ProvidersConfig:
    """The model providers of the configuration file and the environment. Raises `InvalidConfiguration`."""
    try:
        return load_providers(toml=_read_toml(settings.config), env=env)
    except ConfigurationError as error:
        where = f"{settings.config}: " if settings.config else ""
        raise InvalidConfiguration(f"{where}{error}.") from error


def read_guardrails(settings: Settings) -> GuardrailsConfig:
    """The guardrails of the configuration file; the log says when they cost the streams their pieces. Raises
    `InvalidConfiguration`, which names the rule that cannot be one."""
    try:
        guardrails = load_guardrails(_read_toml(settings.config))
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error
    if guardrails.rules is not None and guardrails.rules.holds_whole_answers:
        _log.warning("answers_are_held_back", cause="a pattern of the guardrails has no longest match")
    return guardrails


def read_mcp_servers(settings: Settings, env: Mapping[str, str]) -> tuple[ToolServerConfig, ...]:
    """The tool servers of the configuration file. Raises `InvalidConfiguration`."""
    try:
        return read_tool_servers(_read_toml(settings.config), env)
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error


def read_spending(
    settings: Settings, providers: ProvidersConfig, embedder: EmbedderConfig | None = None
) -> SpendingConfig:
    """Prices and budgets of the configuration file. Raises `InvalidConfiguration`."""
    embedding = embedder.paid if embedder else None
    try:
        return load_spending(_read_toml(settings.config, parse_float=Decimal), providers, embedding)
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error


def read_embedder(settings: Settings, providers: ProvidersConfig) -> EmbedderConfig | None:
    """What places memories among each other, by the configuration file. Raises `InvalidConfiguration`."""
    try:
        return read_memory(_read_toml(settings.config), providers)
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error


def read_s3(settings: Settings, env: Mapping[str, str]) -> S3Config | None:
    """The bucket of the configuration file; `None` for a directory. Raises `InvalidConfiguration`."""
    try:
        config = read_storage(_read_toml(settings.config), env)
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error
    if config is not None and settings.files is not None:
        raise InvalidConfiguration(f"PARLEY_FILES names a directory, and {settings.config} a bucket; take one away.")
    if config is not None and settings.upload_bytes > LARGEST_BYTES:
        raise InvalidConfiguration(f"PARLEY_UPLOAD_BYTES: a bucket takes at most {LARGEST_BYTES} bytes a file.")
    return config


def read_calling(settings: Settings, env: Mapping[str, str]) -> VoiceConfig | None:
    """What the configuration file says of voice. Raises `InvalidConfiguration`."""
    try:
        return read_voice(_read_toml(settings.config), env)
    except ConfigurationError as error:
        raise InvalidConfiguration(f"{settings.config}: {error}.") from error


def _read_toml(path: Path | None, *, parse_float: Callable[[str], Any] = float) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        table = tomllib.loads(path.read_text(), parse_float=parse_float)
    except OSError as error:
        raise InvalidConfiguration(f"The file {path} of --config cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"The file {path} of --config is no TOML: {error}.") from error
    if unknown := sorted(table.keys() - _TABLES_OF_THE_FILE):
        raise InvalidConfiguration(
            f"The file {path} of --config has {unknown[0]!r}, which nobody reads; "
            "it may hold default_model, default_image_model, [[providers]], [prices], [budgets], "
            "[guardrails], [memory], [storage], [voice] and [[mcp_servers]]."
        )
    return table
