"""The `[storage]` of a configuration file: where contents lie that the data directory shall not hold.

[storage]
endpoint = "https://s3.eu-central-1.amazonaws.com"
bucket = "parley"
region = "eu-central-1"                  # the default is us-east-1, which most others than Amazon take for any
prefix = "files/"                        # optional: what the names of all objects begin with
path_style = true                        # the bucket in the path, the default; false: in the name of the host
access_key_env = "S3_ACCESS_KEY"         # environment variables that hold the credentials
secret_key_env = "S3_SECRET_KEY"
session_token_env = "S3_SESSION_TOKEN"   # optional
encryption = "AES256"                    # optional: sent with what is stored, as are "aws:kms" and a key
encryption_key = "arn:aws:kms:…"         # optional, with "aws:kms"
timeout = 30                             # seconds that it may stay silent
insecure = false                         # whether http may lead to another machine
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from server.adapters.blobs.s3.signature import Credentials
from server.adapters.provider.endpoint import is_loopback
from server.adapters.provider.provider_config import ConfigurationError
from server.adapters.provider.toml_table import TomlTable

TABLE: Final = "storage"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?)?")
_MAX_PREFIX: Final = 256
_WORD: Final = re.compile(r"[\x21-\x7e]+")
_ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")
_USUAL_REGION: Final = "us-east-1"
_USUAL_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """One bucket, and how to speak with the storage that has it."""

    endpoint: str
    """`https://host`, with a port where it needs one; no path, no slash at its end."""
    bucket: str
    credentials: Credentials
    region: str = _USUAL_REGION
    prefix: str = ""
    """Empty, or ending with a slash."""
    path_style: bool = True
    encryption: Mapping[str, str] | None = None
    """Headers that have what is stored encrypted there."""
    silence_seconds: float = _USUAL_SECONDS
    """How long it may stay silent in the middle of a request or an answer."""
    connect_seconds: float = _CONNECT_SECONDS

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, which no proxy can reach."""
        return is_loopback(self.endpoint)


def read_storage(toml: Mapping[str, Any] | None, env: Mapping[str, str]) -> S3Config | None:
    """The storage of a parsed file; `None` for a directory. Raises `ConfigurationError` naming the file's key."""
    if toml is None or TABLE not in toml:
        return None
    table = TomlTable(toml[TABLE], TABLE)
    config = S3Config(
        endpoint=_endpoint(table),
        bucket=_matching(table, "bucket", _BUCKET, "the name of a bucket", None),
        region=_matching(table, "region", _WORD, "one word", _USUAL_REGION),
        prefix=_prefix(table),
        path_style=table.flag("path_style") is not False,
        credentials=Credentials(
            _secret(table, "access_key_env", env),
            _secret(table, "secret_key_env", env),
            _secret(table, "session_token_env", env) if table.text("session_token_env") else None,
        ),
        encryption=_encryption(table),
        silence_seconds=table.seconds("timeout") or _USUAL_SECONDS,
    )
    table.reject_others()
    return config


def _endpoint(table: TomlTable) -> str:
    text, key = table.text("endpoint") or "", table.key("endpoint")
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.path.strip("/") or url.query or url.fragment:
        raise ConfigurationError(f"{key}: expected a URL without a path, such as https://s3.example.com")
    if url.userinfo:
        raise ConfigurationError(f"{key}: take the user and password out of the URL; credentials have their own keys")
    endpoint = str(url).rstrip("/")
    if not table.flag("insecure") and url.scheme == "http" and not is_loopback(endpoint):
        raise ConfigurationError(f"{key}: contents would cross the network unencrypted; use https, or insecure = true")
    return endpoint


def _matching(table: TomlTable, name: str, form: re.Pattern[str], expected: str, usual: str | None) -> str:
    text = table.text(name) or usual
    if text is None or not form.fullmatch(text):
        raise ConfigurationError(f"{table.key(name)}: {'missing; ' if text is None else ''}expected {expected}")
    return text


def _prefix(table: TomlTable) -> str:
    text = table.text("prefix") or ""
    if len(text) > _MAX_PREFIX or not _PREFIX.fullmatch(text):
        raise ConfigurationError(f"{table.key('prefix')}: expected words of letters and digits, with / in between")
    return f"{text.rstrip('/')}/" if text else ""


def _secret(table: TomlTable, name: str, env: Mapping[str, str]) -> str:
    variable = table.text(name)
    if variable is None:
        raise ConfigurationError(f"{table.key(name)}: missing; name the environment variable that holds it")
    value = env.get(variable, "").strip()
    if not value:
        raise ConfigurationError(f"{table.key(name)}: the environment variable {variable} is not set; set it")
    if not _WORD.fullmatch(value):
        raise ConfigurationError(f"{table.key(name)}: {variable} must be one word of printable ASCII characters")
    return value


def _encryption(table: TomlTable) -> Mapping[str, str] | None:
    kind, key = table.text("encryption"), table.text("encryption_key")
    if kind is not None and kind not in _ENCRYPTIONS:
        raise ConfigurationError(f"{table.key('encryption')}: expected one of {', '.join(_ENCRYPTIONS)}")
    if key is not None and (kind is None or kind == _ENCRYPTIONS[0] or not _WORD.fullmatch(key)):
        raise ConfigurationError(f"{table.key('encryption_key')}: one word, and with an encryption of aws:kms")
    if kind is None:
        return None
    headers = {"x-amz-server-side-encryption": kind}
    return headers if key is None else headers | {"x-amz-server-side-encryption-aws-kms-key-id": key}
