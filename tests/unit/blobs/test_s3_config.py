"""The `[storage]` of the configuration file: what cannot be is one sentence, and credentials are nowhere."""

from typing import Any

import pytest

from server.adapters.blobs.s3.config import S3Config, read_storage
from server.adapters.provider.provider_config import ConfigurationError

SECRET = "canary-of-the-configuration"
ENV = {"ACCESS": "AKIA", "SECRET": SECRET, "TOKEN": "lent", "BLANK": " ", "TWO": "two words"}
WHOLE = {
    "endpoint": "https://s3.example.com/",
    "bucket": "parley",
    "access_key_env": "ACCESS",
    "secret_key_env": "SECRET",
}


def read(**changes: Any) -> S3Config:
    table = {name: value for name, value in {**WHOLE, **changes}.items() if value is not None}
    config = read_storage({"storage": table}, ENV)
    assert config is not None
    return config


def test_without_a_table_there_is_no_bucket() -> None:
    assert read_storage(None, ENV) is None
    assert read_storage({"providers": []}, ENV) is None


def test_what_is_not_said_has_a_default() -> None:
    config = read()
    assert (config.endpoint, config.bucket, config.region) == ("https://s3.example.com", "parley", "us-east-1")
    assert (config.prefix, config.path_style, config.encryption) == ("", True, None)
    assert (config.credentials.access_key, config.credentials.secret_key) == ("AKIA", SECRET)
    assert SECRET not in repr(config)


def test_everything_can_be_said() -> None:
    config = read(
        region="eu-1",
        prefix="a/b-c",
        path_style=False,
        session_token_env="TOKEN",
        encryption="aws:kms",
        encryption_key="arn:aws:kms:1",
        timeout=5,
    )
    assert (config.region, config.prefix, config.path_style, config.silence_seconds) == ("eu-1", "a/b-c/", False, 5)
    assert config.credentials.session_token == "lent"
    assert config.encryption == {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:1",
    }


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "http://localhost:9000", "https://[::1]:9000"])
def test_this_machine_needs_no_encryption(endpoint: str) -> None:
    assert read(endpoint=endpoint).endpoint == endpoint


def test_another_machine_needs_none_when_it_is_said() -> None:
    assert read(endpoint="http://minio:9000", insecure=True).endpoint == "http://minio:9000"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"endpoint": None}, "storage.endpoint: expected a URL without a path"),
        ({"endpoint": "s3.example.com"}, "storage.endpoint: expected a URL without a path"),
        ({"endpoint": "https://s3.example.com/bucket"}, "storage.endpoint: expected a URL without a path"),
        ({"endpoint": f"https://a:{SECRET}@s3.example.com"}, "storage.endpoint: take the user and password out"),
        ({"endpoint": "http://minio:9000"}, "storage.endpoint: contents would cross the network unencrypted"),
        ({"bucket": None}, "storage.bucket: missing; expected the name of a bucket"),
        ({"bucket": "Not/One"}, "storage.bucket: expected the name of a bucket"),
        ({"region": "two words"}, "storage.region: expected one word"),
        ({"prefix": "../up"}, "storage.prefix: expected words"),
        ({"prefix": "/rooted"}, "storage.prefix: expected words"),
        ({"prefix": "a" * 200 + "!" * 50}, "storage.prefix: expected words"),
        ({"access_key_env": None}, "storage.access_key_env: missing; name the environment variable"),
        ({"secret_key_env": "ABSENT"}, "storage.secret_key_env: the environment variable ABSENT is not set"),
        ({"secret_key_env": "BLANK"}, "storage.secret_key_env: the environment variable BLANK is not set"),
        ({"secret_key_env": "TWO"}, "storage.secret_key_env: TWO must be one word"),
        ({"encryption": "rot13"}, "storage.encryption: expected one of AES256"),
        ({"encryption_key": "k"}, "storage.encryption_key: one word, and with an encryption of aws:kms"),
        ({"timeout": 0}, "storage.timeout: expected a positive number of seconds"),
        ({"secret_key": SECRET}, "storage.secret_key: no such key"),
    ],
)
def test_what_cannot_be_is_one_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(**changes)
    assert says in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)
