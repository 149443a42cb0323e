"""Where a case is played: a running service, and keys for every caller that a case names."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from server.adapters.system import SystemClock
from server.domain.ids import default_organization_id
from server.domain.key import KeyEnvironment, KeyStyle
from server.domain.principal import Owner
from tests.contract.api.case import Caller
from tests.contract.api.serving import Served
from tests.support.bad_tokens import BAD

_BAD_TOKEN: Final = "token: "


@dataclass(slots=True)
class Stage:
    """One case's tenant on a service that many cases share."""

    served: Served
    tenant: str
    _keys: dict[Caller, str] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, str]:
        """What a case may name from the start."""
        return {"organization": default_organization_id(self.tenant)}

    async def headers(self, caller: Caller) -> dict[str, str]:
        """The caller's credential, in the header that every API takes."""
        if caller.key == "none":
            return {}
        if caller not in self._keys:
            self._keys[caller] = await (self._token(caller) if caller.key == "token" else self._key(caller))
        headers = {"x-api-key": self._keys[caller]}
        if caller.on_behalf_of is not None:
            headers["x-on-behalf-of"] = caller.on_behalf_of
        return headers

    async def _token(self, caller: Caller) -> str:
        """A person's, whom the service knows already: the first call of one stores who it is."""
        owner = Owner(self.tenant + caller.tenant, caller.user)
        await self.served.house.store.write_system(lambda tx: tx.provision(owner, SystemClock().now()))
        granted: dict[str, Any] = {} if caller.scopes == ("*",) else {"permissions": list(caller.scopes)}
        return self.served.issuer.token(caller.user, self.tenant + caller.tenant, **granted)

    async def _key(self, caller: Caller) -> str:
        if caller.key.startswith(_BAD_TOKEN):
            return BAD[caller.key.removeprefix(_BAD_TOKEN)](self.served.issuer)
        match caller.key:
            case "malformed":
                return "sk_live_hello"
            case "unknown":
                return self.served.factory.make(KeyStyle.SECRET, KeyEnvironment.LIVE)
        expires_at = SystemClock().now() - timedelta(seconds=1) if caller.key == "expired" else None
        stored, text = await self.served.key(
            caller.user, tenant=self.tenant + caller.tenant, scopes=caller.scopes, expires_at=expires_at
        )
        if caller.key == "revoked":
            await self.served.keys.revoke(stored.id)
        return text
