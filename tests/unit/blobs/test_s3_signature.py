"""Signatures are those that the reference of the Amazon S3 API publishes for its example requests."""

import hashlib
from datetime import UTC, datetime

import pytest

from server.adapters.blobs.s3.signature import Credentials, Signer, encoded_query

KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AT = datetime(2013, 5, 24, tzinfo=UTC)
NOTHING = hashlib.sha256(b"").hexdigest()
WELCOME = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "signature"),
    [
        (
            *("GET", "/test.txt", {}, {"Range": "bytes=0-9"}, NOTHING),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            *("PUT", "/test%24file.text", {}),
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            WELCOME,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            *("GET", "/", {"lifecycle": ""}, {}, NOTHING),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            *("GET", "/", {"prefix": "J", "max-keys": "2"}, {}, NOTHING),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_published_examples(  # noqa: PLR0917 - the parts of a request
    method: str, path: str, query: dict[str, str], headers: dict[str, str], payload: str, signature: str
) -> None:
    signed = Signer(KEYS, region="us-east-1").headers(
        method,
        path,
        encoded_query(query),
        {"Host": "examplebucket.s3.amazonaws.com", **headers},
        payload_sha256=payload,
        at=AT,
    )
    assert signed["authorization"].endswith(f"Signature={signature}")
    assert signed["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
    )
    assert (signed["x-amz-date"], signed["x-amz-content-sha256"]) == ("20130524T000000Z", payload)


def test_a_session_token_is_sent_and_signed() -> None:
    lent = Credentials("AKIA", "secret", "token")
    signed = Signer(lent, region="x").headers("GET", "/", "", {"host": "h"}, payload_sha256=NOTHING, at=AT)
    assert signed["x-amz-security-token"] == "token"
    assert "host;x-amz-content-sha256;x-amz-date;x-amz-security-token" in signed["authorization"]


def test_a_query_has_one_form() -> None:
    assert encoded_query({"b": "ä /+=~", "a-b": "", "a": "&"}) == "a=%26&a-b=&b=%C3%A4%20%2F%2B%3D~"


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Credentials("AKIA", "secret", "token")) + str(Credentials("a", "secret"))
