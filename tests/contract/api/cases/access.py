"""Every RPC without a good credential, generated from the descriptors: a new RPC is covered the day it is declared."""

from dataclasses import replace

from parley.options.v1 import options_pb2

from tests.contract.api.case import Caller, Case, Refused
from tests.contract.api.descriptors import methods

_MISSING = Refused("UNAUTHENTICATED", "KEY_MISSING", 401, detail="API key not provided")
_INVALID = Refused("UNAUTHENTICATED", "KEY_INVALID", 401, detail="API key is invalid")
_NO_SCOPE = Refused("PERMISSION_DENIED", "SCOPE_MISSING", 403, detail="API key is invalid")
# The archive API has one answer for all keys that do not do.
_SAME_AS_INVALID = "parley.archive.v3."
_BAD = {
    "no key": (Caller(key="none"), _MISSING),
    "a malformed key": (Caller(key="malformed"), _INVALID),
    "an unknown key": (Caller(key="unknown"), _INVALID),
    "a revoked key": (Caller(key="revoked"), _INVALID),
    "an expired key": (Caller(key="expired"), _INVALID),
    "a key without any scope": (Caller(scopes=()), _NO_SCOPE),
    "an impersonator without the right": (
        Caller(scopes=("conversations:read", "conversations:write"), on_behalf_of="bert"),
        _NO_SCOPE,
    ),
}
_BAD_TOKENS = (
    *("expired", "not yet valid", "another audience", "another issuer", "everybody"),
    *("alg none", "RS256 key as a shared secret", "tampered with", "truncated"),
)
_BAD.update({f"a token: {what}": (Caller(key=f"token: {what}"), _INVALID) for what in _BAD_TOKENS})
_SCOPED = {name: method.GetOptions().Extensions[options_pb2.rule].scope for name, method in methods().items()}


def _as_told(rpc: str, refused: Refused) -> Refused:
    return replace(refused, http=401) if rpc.startswith(_SAME_AS_INVALID) else refused


_PERSONS = [rpc for rpc, method in methods().items() if method.GetOptions().Extensions[options_pb2.rule].needs_person]
_NO_PERSON = Refused("PERMISSION_DENIED", "PERSON_NEEDED", 403)

CASES = (
    [
        Case(f"{rpc}: {what}", rpc, {}, _as_told(rpc, refused), caller=caller)
        for rpc, scope in _SCOPED.items()
        if scope
        for what, (caller, refused) in _BAD.items()
    ]
    + [
        Case(
            f"{rpc}: a key with the scope {other} only",
            rpc,
            {},
            _as_told(rpc, _NO_SCOPE),
            caller=Caller(scopes=(other,)),
        )
        for rpc, scope in _SCOPED.items()
        for other in ("conversations:read", "conversations:write")
        if scope and scope != other
    ]
    + [Case(f"{rpc}: a key that may do everything, where a person is needed", rpc, {}, _NO_PERSON) for rpc in _PERSONS]
)
