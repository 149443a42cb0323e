"""Reads the XML of the storage's answers, and writes that of requests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from server.adapters.blobs.s3.failure import S3Failure

_ERROR: Final = "Error"
_HEAD_BYTES: Final = 1024
"""Where the first element of an answer is found, behind the blanks that keep a connection open."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, or an upload in parts that is under way."""

    key: str
    since: datetime
    """When it was stored, or begun."""
    upload_id: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of them, and the query of the next one; `None` on the last."""

    items: tuple[Listed, ...]
    following: dict[str, str] | None


def error_code(body: bytes) -> str:
    """The code of an error's body; empty where there is none that can be read."""
    if f"<{_ERROR}".encode() not in body.lstrip()[:_HEAD_BYTES]:
        return ""
    try:
        root = _parsed(body)
    except S3Failure:
        return ""
    return _text(root, "Code") if root.tag == _ERROR else ""


def objects(body: bytes) -> Listing:
    """The answer of ListObjectsV2 with keys encoded as in URLs."""
    root = _parsed(body)
    items = tuple(
        Listed(unquote(_text(each, "Key")), _moment(_text(each, "LastModified"))) for each in root.iterfind("Contents")
    )
    token = _text(root, "NextContinuationToken")
    return Listing(items, {"continuation-token": token} if token and _text(root, "IsTruncated") == "true" else None)


def uploads(body: bytes) -> Listing:
    """The answer of ListMultipartUploads with keys encoded as in URLs."""
    root = _parsed(body)
    items = tuple(
        Listed(unquote(_text(each, "Key")), _moment(_text(each, "Initiated")), _text(each, "UploadId"))
        for each in root.iterfind("Upload")
    )
    key = unquote(_text(root, "NextKeyMarker"))
    if not key or _text(root, "IsTruncated") != "true":
        return Listing(items, None)
    return Listing(items, {"key-marker": key, "upload-id-marker": _text(root, "NextUploadIdMarker")})


def upload_id(body: bytes) -> str:
    """The answer of CreateMultipartUpload."""
    found = _text(_parsed(body), "UploadId")
    if not found:
        raise S3Failure("began no upload that it could name")
    return found


def undeleted(body: bytes) -> Iterator[str]:
    """The codes of what DeleteObjects could not delete, without what was not there."""
    for error in _parsed(body).iterfind(_ERROR):
        code = _text(error, "Code")
        if code != "NoSuchKey":
            yield code or "unknown"


def deletion(keys: Iterable[str]) -> bytes:
    """The body of DeleteObjects."""
    items = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f"<Delete><Quiet>true</Quiet>{items}</Delete>".encode()


def completion(etags: Iterable[str]) -> bytes:
    """The body of CompleteMultipartUpload, of the parts from 1 on."""
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
        for number, etag in enumerate(etags, 1)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def _parsed(body: bytes) -> ET.Element:
    # Without a document type there are no entities, and so nothing that grows while it is read.
    if b"<!DOCTYPE" in body:
        raise S3Failure("answered with XML that declares a document type")
    try:
        root = ET.fromstring(body.lstrip())  # noqa: S314 - see above; whose size is bounded
    except ET.ParseError:
        raise S3Failure("answered with something that is no XML") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _text(element: ET.Element, name: str) -> str:
    return element.findtext(name) or ""


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise S3Failure("answered with a time that is none")
    return moment
