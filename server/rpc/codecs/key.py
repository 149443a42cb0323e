"""API keys of `parley.v1`."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from parley.v1 import key_pb2 as pb

from server.application.own_keys import IssuedKey, KeyChanges, NewKey, Usage
from server.application.paging import Page
from server.domain.key import KeyEnvironment, KeyStyle, ShownKey
from server.domain.spending import Budget
from server.domain.usage import Total, summed
from server.rpc.codecs.timestamp import moment, optional_timestamp, timestamp

KINDS: Final[Mapping[KeyStyle, pb.KeyKind.ValueType]] = {
    KeyStyle.SECRET: pb.KEY_KIND_SECRET,
    KeyStyle.PUBLISHABLE: pb.KEY_KIND_PUBLISHABLE,
    KeyStyle.ARCHIVE: pb.KEY_KIND_ARCHIVE,
}
ENVIRONMENTS: Final[Mapping[KeyEnvironment, pb.KeyEnvironment.ValueType]] = {
    KeyEnvironment.LIVE: pb.KEY_ENVIRONMENT_LIVE,
    KeyEnvironment.TEST: pb.KEY_ENVIRONMENT_TEST,
}
_STYLES: Final = {number: style for style, number in KINDS.items()}
_ENVIRONMENT_OF: Final = {number: environment for environment, number in ENVIRONMENTS.items()}


def decode_new_key(request: pb.CreateKeyRequest) -> NewKey:
    """What a key is to be."""
    return NewKey(
        name=request.name,
        description=request.description,
        scopes=frozenset(request.permissions),
        style=_STYLES.get(request.kind, KeyStyle.SECRET),
        environment=_ENVIRONMENT_OF.get(request.environment, KeyEnvironment.LIVE),
        requests_per_minute=request.rate_limit.requests_per_minute or None,
        expires_at=moment("expires_at", request.expires_at) if request.HasField("expires_at") else None,
        budget=_budget(request.budget),
    )


def decode_changes(request: pb.UpdateKeyRequest) -> KeyChanges:
    """What is to change of a key."""
    return KeyChanges(
        name=request.name if request.HasField("name") else None,
        description=request.description if request.HasField("description") else None,
        scopes=frozenset(request.permissions) or None,
        requests_per_minute=request.rate_limit.requests_per_minute if request.HasField("rate_limit") else None,
        expires_at=moment("expires_at", request.expires_at) if request.HasField("expires_at") else None,
        budget=_budget(request.budget) if request.HasField("budget") else None,
    )


def encode_key(key: ShownKey, now: datetime, *, text: str | None = None) -> pb.ApiKey:
    """A key, with its text where it is shown."""
    limit = key.requests_per_minute
    is_over = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now)
    return pb.ApiKey(
        key_id=key.id,
        key=text,
        key_prefix=key.prefix,
        name=key.name,
        description=key.description,
        permissions=key.scopes,
        rate_limit=None if limit is None else pb.KeyRateLimit(requests_per_minute=limit),
        environment=ENVIRONMENTS[key.environment],
        kind=KINDS[key.style],
        is_active=not is_over,
        created_at=timestamp(key.created_at),
        expires_at=optional_timestamp(key.expires_at),
        revoked_at=optional_timestamp(key.revoked_at),
        last_used_at=optional_timestamp(key.last_used_at),
        budget=_encode_budget(key.budget),
    )


def encode_issued(issued: IssuedKey, now: datetime) -> pb.ApiKey:
    """A key that was made just now, or by the call that this one repeats."""
    return encode_key(issued.key, now, text=issued.text)


def encode_page(page: Page[ShownKey], now: datetime) -> pb.KeyPage:
    """A page of keys."""
    return pb.KeyPage(keys=[encode_key(key, now) for key in page.items], next_page_token=page.next_token)


def encode_usage(usage: Usage) -> pb.KeyUsage:
    """How often a key was used, and what models took."""
    requests, spent = dict(usage.days), dict(usage.spent)
    total = summed(spent.values())
    return pb.KeyUsage(
        key_id=usage.key.id,
        days=[_day(day, requests.get(day, 0), spent.get(day, Total())) for day in sorted({*requests, *spent})],
        total_requests=sum(requests.values()),
        last_used_at=optional_timestamp(usage.key.last_used_at),
        total_tokens=total.input_tokens + total.output_tokens,
        total_cost_micros=total.known_cost,
    )


def _day(day: date, requests: int, spent: Total) -> pb.DailyKeyUsage:
    return pb.DailyKeyUsage(
        date=day.isoformat(),
        requests=requests,
        model_calls=spent.calls,
        tokens=spent.input_tokens + spent.output_tokens,
        cost_micros=spent.known_cost,
    )


def _budget(sent: pb.KeyBudget) -> Budget:
    return Budget(
        tokens_per_day=sent.tokens_per_day or None,
        tokens_per_month=sent.tokens_per_month or None,
        cost_per_day=sent.cost_micros_per_day or None,
        cost_per_month=sent.cost_micros_per_month or None,
    )


def _encode_budget(budget: Budget) -> pb.KeyBudget | None:
    if budget.is_unbounded:
        return None
    return pb.KeyBudget(
        tokens_per_day=budget.tokens_per_day or 0,
        tokens_per_month=budget.tokens_per_month or 0,
        cost_micros_per_day=budget.cost_per_day or 0,
        cost_micros_per_month=budget.cost_per_month or 0,
    )
