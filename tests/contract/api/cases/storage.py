"""`parley.v1.FileService`: the files and folders that users keep."""

import base64
from hashlib import sha256

from tests.contract.api.case import (
    BERT,
    MOMENT,
    STRANGER,
    UNKNOWN_ID,
    UUID,
    Call,
    Caller,
    Case,
    Matching,
    Refused,
    Reply,
    Stream,
)
from tests.support.images import DOT

_F = "parley.v1.FileService"
_CREATE, _RENAME, _DELETE_FOLDER = f"{_F}/CreateFolder", f"{_F}/UpdateFolder", f"{_F}/DeleteFolder"
_LIST, _UPLOAD, _GET, _UPDATE = f"{_F}/ListFiles", f"{_F}/UploadFile", f"{_F}/GetFile", f"{_F}/UpdateFile"
_DELETE, _DOWNLOAD, _QUOTA = f"{_F}/DeleteFile", f"{_F}/DownloadFile", f"{_F}/GetStorageQuota"
_UPLOAD_URL, _PUT = f"{_F}/GenerateUploadUrl", f"{_F}/PutFile"
_DOWNLOAD_URL, _FETCH = f"{_F}/GenerateDownloadUrl", f"{_F}/FetchFile"

_TEXT = b"Hello, world"
_SHA = sha256(_TEXT).hexdigest()


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


_NO_FILE = Refused("NOT_FOUND", "FILE_NOT_FOUND", 404)
_NO_FOLDER = Refused("NOT_FOUND", "FOLDER_NOT_FOUND", 404)
_TAKEN = Refused("ALREADY_EXISTS", "FILE_NAME_TAKEN", 409)
_BAD_URL = Refused("PERMISSION_DENIED", "SIGNED_URL_INVALID", 403)
_NO_RANGE = Refused("OUT_OF_RANGE", "RANGE_NOT_SATISFIABLE", 416)
_BAD_NAME = Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("name",))
_DOCS = Call(_CREATE, {"name": "Docs"}, keep={"folder": "folder_id"})
_HELLO = {"name": "hello.txt", "content": _b64(_TEXT), "tags": ["b", "a", "b"]}
_KEPT = Call(_UPLOAD, _HELLO, keep={"file": "file_id"})
_FILE = {"file_id": "$file"}
_GRANTED = Call(_UPLOAD_URL, {"name": "sent.txt", "sha256": _SHA, "size": 12}, keep={"token": "token"})
_SHARED = Call(_DOWNLOAD_URL, _FILE, keep={"token": "token"})
_SHOWN = {
    "file_id": UUID,
    "folder_id": "",
    "name": "hello.txt",
    "media_type": "text/plain",
    "size": "12",
    "sha256": _SHA,
    "tags": ["a", "b"],
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
_SENT = {"token": "$token", "content": {"data": _b64(_TEXT)}, "last": True}

_HOSTILE_NAMES = {
    "a path": "../../etc/passwd",
    "a path of the other system": "..\\boot.ini",
    "the parent": "..",
    "a NUL": "a\0.txt",
    "a line break": "a\nb.txt",
    "letters from right to left": "invoice\u202ecod.exe",
    "an invisible blank": "a\u200b.txt",
    "a device": "NUL.txt",
    "a device in capitals": "COM1",
    "a blank at its end": "a.txt ",
    "a dot at its end": "a.",
    "too many bytes": "é" * 128,
    "nothing visible": "\u200d",
    "one character that is a phrase, many times": "\ufdfa" * 80,
}

CASES = [
    Case(
        "a folder is made",
        _CREATE,
        {"name": "Docs"},
        Reply({"folder_id": UUID, "parent_id": "", "name": "Docs", "created_at": MOMENT}),
    ),
    Case(
        "a folder in a folder",
        _CREATE,
        {"name": "Docs", "parent_id": "$folder"},
        Reply({"parent_id": "$folder", "name": "Docs"}),
        (_DOCS,),
    ),
    Case("folders that look the same", _CREATE, {"name": "\uff44OCS"}, _TAKEN, (_DOCS,)),
    Case("a folder in none", _CREATE, {"name": "Docs", "parent_id": UNKNOWN_ID}, _NO_FOLDER),
    Case("a folder in a colleague's", _CREATE, {"name": "Docs", "parent_id": "$folder"}, _NO_FOLDER, (_DOCS,), BERT),
    *(Case(f"a folder named with {what}", _CREATE, {"name": name}, _BAD_NAME) for what, name in _HOSTILE_NAMES.items()),
    Case("a folder without a name", _CREATE, {}, _BAD_NAME),
    Case(
        "a folder gets another name",
        _RENAME,
        {"folder_id": "$folder", "name": "docs"},
        Reply({"folder_id": "$folder", "name": "docs"}),
        (_DOCS,),
    ),
    Case("another name for no folder", _RENAME, {"folder_id": UNKNOWN_ID, "name": "docs"}, _NO_FOLDER),
    Case("a stranger renames nothing", _RENAME, {"folder_id": "$folder", "name": "x"}, _NO_FOLDER, (_DOCS,), STRANGER),
    Case(
        "an empty folder is deleted",
        _DELETE_FOLDER,
        {"folder_id": "$folder"},
        Reply({"folder_id": "$folder", "files_deleted": 0}),
        (_DOCS,),
    ),
    Case(
        "a folder with a file in it stays",
        _DELETE_FOLDER,
        {"folder_id": "$folder"},
        Refused("FAILED_PRECONDITION", "FOLDER_NOT_EMPTY", 400),
        (_DOCS, Call(_UPLOAD, {**_HELLO, "folder_id": "$folder"})),
    ),
    Case(
        "a folder goes with all that lies in it",
        _DELETE_FOLDER,
        {"folder_id": "$folder", "recursive": True},
        Reply({"files_deleted": 2}),
        (
            _DOCS,
            Call(_UPLOAD, {**_HELLO, "folder_id": "$folder"}),
            Call(_CREATE, {"name": "Deeper", "parent_id": "$folder"}, keep={"deeper": "folder_id"}),
            Call(_UPLOAD, {**_HELLO, "folder_id": "$deeper"}),
        ),
    ),
    Case("no folder is deleted", _DELETE_FOLDER, {"folder_id": "$folder"}, _NO_FOLDER, (_DOCS,), BERT),
    Case("a file is stored", _UPLOAD, _HELLO, Reply(_SHOWN)),
    Case("an empty file is stored", _UPLOAD, {"name": "empty"}, Reply({"size": "0", "media_type": "text/plain"})),
    Case(
        "a checksum that is right",
        _UPLOAD,
        {**_HELLO, "sha256": _SHA.upper()},
        Reply({"sha256": _SHA}),
    ),
    Case(
        "a checksum that is wrong",
        _UPLOAD,
        {**_HELLO, "sha256": "0" * 64},
        Refused("INVALID_ARGUMENT", "CONTENT_MISMATCH", 400),
    ),
    Case(
        "a checksum that is none",
        _UPLOAD,
        {**_HELLO, "sha256": "abc"},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("sha256",)),
    ),
    Case(
        "an image that is none",
        _UPLOAD,
        {**_HELLO, "media_type": "image/png"},
        Refused("INVALID_ARGUMENT", "MEDIA_TYPE_MISMATCH", 400),
    ),
    Case(
        "a type that is none",
        _UPLOAD,
        {**_HELLO, "media_type": "text"},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("media_type",)),
    ),
    Case(
        "a file is what its bytes are",
        _UPLOAD,
        {"name": "dot.exe", "content": _b64(DOT)},
        Reply({"media_type": "image/png"}),
    ),
    Case("a file whose name is taken", _UPLOAD, {**_HELLO, "name": "HELLO.TXT"}, _TAKEN, (_KEPT,)),
    Case("a file whose name a folder has", _UPLOAD, {**_HELLO, "name": "docs"}, _TAKEN, (_DOCS,)),
    Case("a file in a colleague's folder", _UPLOAD, {**_HELLO, "folder_id": "$folder"}, _NO_FOLDER, (_DOCS,), BERT),
    *(Case(f"a file named with {what}", _UPLOAD, {"name": name}, _BAD_NAME) for what, name in _HOSTILE_NAMES.items()),
    Case(
        "a tag with a blank",
        _UPLOAD,
        {**_HELLO, "tags": ["a b"]},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("tags[0]",)),
    ),
    Case(
        "readers store nothing",
        _UPLOAD,
        _HELLO,
        Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        caller=Caller(scopes=("files:read",)),
    ),
    Case(
        "a folder's contents, folders first",
        _LIST,
        {},
        Reply({"folders": [{"name": "Docs"}], "files": [{"name": "a.txt"}, {"name": "hello.txt"}]}),
        (_KEPT, _DOCS, Call(_UPLOAD, {"name": "a.txt"})),
    ),
    Case(
        "a page of a folder's contents",
        _LIST,
        {"page_size": 2},
        Reply({"folders": [{"name": "Docs"}], "files": [{"name": "a.txt"}], "next_page_token": Matching(r"[-\w]+")}),
        (_KEPT, _DOCS, Call(_UPLOAD, {"name": "a.txt"})),
    ),
    Case(
        "the next page",
        _LIST,
        {"page_size": 2, "page_token": "$next"},
        Reply({"folders": [], "files": [{"name": "hello.txt"}], "next_page_token": ""}),
        (
            *(_KEPT, _DOCS, Call(_UPLOAD, {"name": "a.txt"})),
            Call(_LIST, {"page_size": 2}, keep={"next": "next_page_token"}),
        ),
    ),
    Case(
        "files with a tag",
        _LIST,
        {"tag": "a"},
        Reply({"folders": [], "files": [{"name": "hello.txt"}]}),
        (_KEPT, _DOCS, Call(_UPLOAD, {"name": "a.txt", "tags": ["aa", "b"]})),
    ),
    Case("a colleague's files are not listed", _LIST, {}, Reply({"files": []}), (_KEPT,), BERT),
    Case("contents of no folder", _LIST, {"folder_id": UNKNOWN_ID}, _NO_FOLDER),
    Case("contents of a colleague's folder", _LIST, {"folder_id": "$folder"}, _NO_FOLDER, (_DOCS,), BERT),
    Case("a page that is none", _LIST, {"page_token": "x"}, Refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", 400)),
    Case(
        "a tag that is none",
        _LIST,
        {"tag": "%"},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("tag",)),
    ),
    Case("what is known of a file", _GET, _FILE, Reply(_SHOWN), (_KEPT,)),
    Case("no file is known", _GET, {"file_id": "../../x"}, _NO_FILE),
    Case("a colleague's file is not known", _GET, _FILE, _NO_FILE, (_KEPT,), BERT),
    Case("a stranger's file is not known", _GET, _FILE, _NO_FILE, (_KEPT,), STRANGER),
    Case(
        "a file is moved, renamed and tagged",
        _UPDATE,
        {**_FILE, "folder_id": "$folder", "name": "Hi.txt", "tags": {"tags": ["z"]}},
        Reply({"folder_id": "$folder", "name": "Hi.txt", "tags": ["z"], "sha256": _SHA}),
        (_KEPT, _DOCS),
    ),
    Case("a file is left as it is", _UPDATE, _FILE, Reply({"name": "hello.txt", "tags": ["a", "b"]}), (_KEPT,)),
    Case("a file's tags go", _UPDATE, {**_FILE, "tags": {}}, Reply({"tags": []}), (_KEPT,)),
    Case("a file gets its own name in capitals", _UPDATE, {**_FILE, "name": "HELLO.txt"}, Reply({}), (_KEPT,)),
    Case("a file is moved nowhere", _UPDATE, {**_FILE, "folder_id": UNKNOWN_ID}, _NO_FOLDER, (_KEPT,)),
    Case(
        "a file is moved to another of its name",
        _UPDATE,
        {**_FILE, "folder_id": "$folder"},
        _TAKEN,
        (_KEPT, _DOCS, Call(_UPLOAD, {"name": "hello.TXT", "folder_id": "$folder"})),
    ),
    Case("a colleague's file stays", _UPDATE, {**_FILE, "name": "x"}, _NO_FILE, (_KEPT,), BERT),
    Case("a file gets no path for a name", _UPDATE, {**_FILE, "name": "a/b"}, _BAD_NAME, (_KEPT,)),
    Case("a file is deleted", _DELETE, _FILE, Reply({"file_id": "$file"}), (_KEPT,)),
    Case("a file is deleted once", _DELETE, _FILE, _NO_FILE, (_KEPT, Call(_DELETE, _FILE))),
    Case("a colleague's file is not deleted", _DELETE, _FILE, _NO_FILE, (_KEPT,), BERT),
    Case(
        "a file that was kept is downloaded",
        _DOWNLOAD,
        _FILE,
        Stream(({"content_type": "text/plain", "data": _b64(_TEXT)},), ({"data": _b64(_TEXT)},)),
        (_KEPT,),
    ),
    Case(
        "a part of a file",
        _DOWNLOAD,
        {**_FILE, "range": "bytes=7-11"},
        Stream(({"content_type": "text/plain", "data": _b64(b"world")},), ({"data": _b64(b"world")},)),
        (_KEPT,),
    ),
    Case(
        "a part of another content is all of this one",
        _DOWNLOAD,
        {**_FILE, "range": "bytes=7-11", "if_range": '"another"'},
        Stream(({"content_type": "text/plain", "data": _b64(_TEXT)},), ({"data": _b64(_TEXT)},)),
        (_KEPT,),
    ),
    Case("a part behind the end", _DOWNLOAD, {**_FILE, "range": "bytes=12-"}, _NO_RANGE, (_KEPT,)),
    Case(
        "a range that is too long to be one",
        _DOWNLOAD,
        {**_FILE, "range": "bytes=0-" + "9" * 128},
        Refused("INVALID_ARGUMENT", "INVALID_FIELD", 400, ("range",)),
        (_KEPT,),
    ),
    Case("a colleague's kept file is not downloaded", _DOWNLOAD, _FILE, _NO_FILE, (_KEPT,), BERT),
    Case("a deleted file is not downloaded", _DOWNLOAD, _FILE, _NO_FILE, (_KEPT, Call(_DELETE, _FILE))),
    Case(
        "leave to upload",
        _UPLOAD_URL,
        {"name": "sent.txt", "size": 12},
        Reply({"url": Matching(r"/api/v1/storage/uploads/u\..+"), "expires_at": MOMENT, "max_bytes": "12"}),
    ),
    Case("leave to upload what is there", _UPLOAD_URL, {"name": "hello.TXT"}, _TAKEN, (_KEPT,)),
    Case(
        "leave to upload too much",
        _UPLOAD_URL,
        {"name": "sent.txt", "size": "1000000000000"},
        Refused("INVALID_ARGUMENT", "FILE_TOO_LARGE", 413),
    ),
    Case("leave to upload a path", _UPLOAD_URL, {"name": "/etc/passwd"}, _BAD_NAME),
    Case("leave to upload into no folder", _UPLOAD_URL, {"name": "x", "folder_id": UNKNOWN_ID}, _NO_FOLDER),
    Case("a file comes by a URL", _PUT, _SENT, Reply({**_SHOWN, "name": "sent.txt", "tags": []}), (_GRANTED,)),
    Case(
        "a URL needs no credential",
        _PUT,
        _SENT,
        Reply({"name": "sent.txt"}),
        (_GRANTED,),
        Caller(key="none"),
    ),
    Case("a URL counts once", _PUT, {**_SENT, "content": {}}, _BAD_URL, (_GRANTED, Call(_PUT, _SENT))),
    Case(
        "who sends the content again is told of the file",
        _PUT,
        _SENT,
        Reply({**_SHOWN, "file_id": "$sent", "name": "sent.txt", "tags": []}),
        (_GRANTED, Call(_PUT, _SENT, keep={"sent": "file_id"})),
    ),
    Case(
        "nobody is told of a file that is gone",
        _PUT,
        _SENT,
        _BAD_URL,
        (_GRANTED, Call(_PUT, _SENT, keep={"sent": "file_id"}), Call(_DELETE, {"file_id": "$sent"})),
    ),
    Case(
        "another content is not taken for the one that is there",
        _PUT,
        {**_SENT, "content": {"data": _b64(_TEXT.upper())}},
        _BAD_URL,
        (_GRANTED, Call(_PUT, _SENT)),
    ),
    Case(
        "nor a longer one",
        _PUT,
        {**_SENT, "content": {"data": _b64(_TEXT * 2)}},
        _BAD_URL,
        (_GRANTED, Call(_PUT, _SENT)),
    ),
    Case(
        "a URL is used up by another content",
        _PUT,
        {**_SENT, "content": {"data": _b64(b"Hello, moon!")}},
        Refused("INVALID_ARGUMENT", "CONTENT_MISMATCH", 400),
        (_GRANTED,),
    ),
    Case(
        "a content of another size",
        _PUT,
        {**_SENT, "content": {"data": _b64(_TEXT[:-1])}},
        Refused("INVALID_ARGUMENT", "CONTENT_MISMATCH", 400),
        (_GRANTED,),
    ),
    Case(
        "a content that is longer",
        _PUT,
        {**_SENT, "content": {"data": _b64(_TEXT * 2)}},
        Refused("INVALID_ARGUMENT", "FILE_TOO_LARGE", 413),
        (_GRANTED,),
    ),
    Case(
        "a URL that somebody made up",
        _PUT,
        {**_SENT, "token": f"u.{UNKNOWN_ID}.99999999999.{'A' * 43}"},
        _BAD_URL,
    ),
    Case("a URL for downloads uploads nothing", _PUT, _SENT, _BAD_URL, (_KEPT, _SHARED)),
    Case(
        "a URL into a folder that is gone",
        _PUT,
        {"token": "$token", "last": True},
        _BAD_URL,
        (
            _DOCS,
            Call(_UPLOAD_URL, {"name": "x", "folder_id": "$folder"}, keep={"token": "token"}),
            Call(_DELETE_FOLDER, {"folder_id": "$folder"}),
        ),
    ),
    Case(
        "leave to download",
        _DOWNLOAD_URL,
        _FILE,
        Reply({"url": Matching(r"/api/v1/storage/downloads/d\..+"), "expires_at": MOMENT}),
        (_KEPT,),
    ),
    Case("leave to download a colleague's file", _DOWNLOAD_URL, _FILE, _NO_FILE, (_KEPT,), BERT),
    Case(
        "a file goes by a URL",
        _FETCH,
        {"token": "$token"},
        Stream(({"content_type": "text/plain", "data": _b64(_TEXT)},), ({"data": _b64(_TEXT)},)),
        (_KEPT, _SHARED),
        Caller(key="none"),
    ),
    Case(
        "a part of a file by a URL",
        _FETCH,
        {"token": "$token", "range": "bytes=-5"},
        Stream(({"content_type": "text/plain", "data": _b64(b"world")},), ({"data": _b64(b"world")},)),
        (_KEPT, _SHARED),
        Caller(key="none"),
    ),
    Case(
        "a part behind the end by a URL", _FETCH, {"token": "$token", "range": "bytes=99-"}, _NO_RANGE, (_KEPT, _SHARED)
    ),
    Case("a URL of a file that is gone", _FETCH, {"token": "$token"}, _BAD_URL, (_KEPT, _SHARED, Call(_DELETE, _FILE))),
    Case("a URL for uploads downloads nothing", _FETCH, {"token": "$token"}, _BAD_URL, (_GRANTED,)),
    Case("no URL at all", _FETCH, {"token": "x"}, _BAD_URL),
    Case(
        "how much there is",
        _QUOTA,
        {},
        Reply(
            {
                "bytes_used": "12",
                "entries_used": "2",
                "bytes_limit": str(1024**3),
                "entries_limit": "10000",
                "max_file_bytes": str(100 * 1024**2),
            }
        ),
        (_KEPT, _DOCS),
    ),
    Case("a colleague's files count for the colleague", _QUOTA, {}, Reply({"bytes_used": "0"}), (_KEPT,), BERT),
]
