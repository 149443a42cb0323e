"""Tokens of signed URLs: good for one thing, until their end, and only as they were made."""

from datetime import UTC, datetime, timedelta

import pytest

from server.application.signed_urls import SignedUrls
from server.domain.ids import FileId, UploadId
from server.domain.storage_errors import SignedUrlInvalid

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ID = "01a1ffed-02b2-7259-be45-37f6dfb9a310"
OTHER = "01a1ffed-02b2-7259-be45-37f6dfb9a311"
URLS = SignedUrls(b"s" * 32, base_url="https://parley.example/")


def test_a_token_stands_for_what_it_was_made_for() -> None:
    assert URLS.upload(URLS.for_upload(UploadId(ID), NOW + SECOND), NOW) == ID
    assert URLS.download(URLS.for_download(FileId(ID), NOW + SECOND), NOW) == ID


def test_a_token_ends() -> None:
    token = URLS.for_download(FileId(ID), NOW + SECOND)
    for moment in (NOW + SECOND, NOW + timedelta(days=9)):
        with pytest.raises(SignedUrlInvalid):
            URLS.download(token, moment)


def test_leave_to_upload_is_none_to_download_and_the_reverse() -> None:
    with pytest.raises(SignedUrlInvalid):
        URLS.download(URLS.for_upload(UploadId(ID), NOW + SECOND), NOW)
    with pytest.raises(SignedUrlInvalid):
        URLS.upload(URLS.for_download(FileId(ID), NOW + SECOND), NOW)


def test_no_part_of_a_token_can_be_changed() -> None:
    token = URLS.for_download(FileId(ID), NOW + SECOND)
    purpose, identity, end, signature = token.split(".")
    forged = [
        ".".join(("d", OTHER, end, signature)),
        ".".join(("d", identity, str(int(end) + 1), signature)),
        ".".join(("u", identity, end, signature)),
        ".".join((purpose, identity, end, signature[:-1])),
        ".".join((purpose, identity, end, signature.swapcase())),
        f"{token}=",
        f"{token}\n",
        f" {token}",
        token.upper(),
        token.replace("d.", "d..", 1),
    ]
    for each in ("", ".", "...", "d", *forged):
        with pytest.raises(SignedUrlInvalid):
            URLS.download(each, NOW)
        with pytest.raises(SignedUrlInvalid):
            URLS.upload(each, NOW)


def test_a_date_beyond_all_dates_is_refused_like_any_other() -> None:
    token = URLS.for_download(FileId(ID), NOW + SECOND)
    _, identity, _, signature = token.split(".")
    with pytest.raises(SignedUrlInvalid):
        URLS.download(f"d.{identity}.99999999999.{signature}", NOW)


def test_another_secret_signs_otherwise() -> None:
    token = URLS.for_download(FileId(ID), NOW + SECOND)
    with pytest.raises(SignedUrlInvalid):
        SignedUrls(b"t" * 32).download(token, NOW)


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SignedUrls(b"s" * 31)


def test_urls_begin_without_a_slash_too_many() -> None:
    assert URLS.base_url == "https://parley.example"
