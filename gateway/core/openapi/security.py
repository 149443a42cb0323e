"""Security schemes and requirements, from the credentials that dialects declare."""

import re
from dataclasses import dataclass, field

from google.protobuf.descriptor import ServiceDescriptor

from gateway.core.dialect import Credential, Dialect, Rule
from gateway.core.openapi.wire import Schema

_FOREIGN = re.compile(r"[^a-zA-Z0-9._-]")  # what the name of a component may not have
_BEARER_HEADER = "authorization"


@dataclass(slots=True)
class SecurityBook:
    """Collects the schemes of all services; credentials that agree in everything share one scheme."""

    schemes: dict[str, Schema] = field(default_factory=dict)

    def requirement(
        self, service: ServiceDescriptor, dialect: Dialect, rule: Rule
    ) -> list[dict[str, list[str]]] | None:
        """Give what a call needs: one of the credentials, with the scope; nothing for a public method.

        None says that nothing is known: the dialect declares no credential.
        """
        if rule.public:
            return []
        scopes = [rule.scope] if rule.scope else []
        names = dict.fromkeys(self._name(service, credential) for credential in dialect.credentials)
        return [{name: scopes} for name in names] or None

    def _name(self, service: ServiceDescriptor, credential: Credential) -> str:
        scheme = _scheme(credential)
        own = _FOREIGN.sub("_", credential.name)
        for name in (own, f"{service.full_name}.{own}"):
            if self.schemes.setdefault(name, scheme) == scheme:
                return name
        raise ValueError(f"{service.full_name} declares two credentials with the name {credential.name}")


def _scheme(credential: Credential) -> Schema:
    described = {"description": credential.description} if credential.description else {}
    if credential.header.lower() == _BEARER_HEADER:
        return {"type": "http", "scheme": "bearer", **described}
    return {"type": "apiKey", "in": "header", "name": credential.header, **described}
