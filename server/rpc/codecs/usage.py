"""What models cost, and budgets, of `parley.v1`."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from parley.v1 import usage_pb2 as pb

from server.application.usage import RunUsage, ThreadUsage
from server.domain.errors import FieldViolation, InvalidField
from server.domain.ids import KeyId
from server.domain.spending import Allowance, Period, Unit, Whose
from server.domain.usage import AccountedCall, CallKind, Total, UsageFilter, UsageRow
from server.rpc.codecs.timestamp import timestamp

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
KINDS: Final[Mapping[CallKind, pb.CallKind.ValueType]] = {
    CallKind.ANSWER: pb.CALL_KIND_ANSWER,
    CallKind.IMAGE: pb.CALL_KIND_IMAGE,
    CallKind.TITLE: pb.CALL_KIND_TITLE,
    CallKind.SUMMARY: pb.CALL_KIND_SUMMARY,
    CallKind.MEMORY: pb.CALL_KIND_MEMORY,
    CallKind.EMBEDDING: pb.CALL_KIND_EMBEDDING,
}
_OWNERS: Final = {Whose.KEY: pb.BUDGET_OWNER_KEY, Whose.TENANT: pb.BUDGET_OWNER_TENANT}
_PERIODS: Final = {Period.DAY: pb.BUDGET_PERIOD_DAY, Period.MONTH: pb.BUDGET_PERIOD_MONTH}
_UNITS: Final = {Unit.TOKENS: pb.BUDGET_UNIT_TOKENS, Unit.COST: pb.BUDGET_UNIT_COST_MICROS}


def decode_filter(request: pb.ListUsageRequest | pb.ListTenantUsageRequest) -> UsageFilter:
    """Which usage is looked for. Raises `InvalidField`."""
    return UsageFilter(
        key_id=KeyId(request.key_id) if request.key_id else None,
        model=request.model or None,
        user=(request.user or None) if isinstance(request, pb.ListTenantUsageRequest) else None,
        first=_day("from_date", request.from_date),
        last=_day("to_date", request.to_date),
    )


def encode_total(total: Total) -> pb.UsageTotal:
    """What several calls took together."""
    return pb.UsageTotal(
        calls=total.calls,
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        cached_tokens=total.cached_tokens,
        images=total.images,
        cost_micros=total.known_cost,
        unpriced_calls=total.unpriced_calls,
        estimated_calls=total.estimated_calls,
    )


def encode_row(row: UsageRow) -> pb.UsageRow:
    """What was used on a day."""
    return pb.UsageRow(
        date=row.day.isoformat(),
        user=row.user,
        key_id=row.key_id,
        provider=row.provider,
        model=row.model,
        total=encode_total(row.total),
    )


def encode_run(usage: RunUsage) -> pb.GetRunUsageResponse:
    """What a run used."""
    return pb.GetRunUsageResponse(
        total=encode_total(usage.total),
        calls=[_call(one) for one in usage.calls.items],
        next_page_token=usage.calls.next_token,
    )


def encode_thread(usage: ThreadUsage) -> pb.GetThreadUsageResponse:
    """What a thread used."""
    return pb.GetThreadUsageResponse(
        total=encode_total(usage.total),
        models=[
            pb.ModelUsage(provider=row.provider, model=row.model, total=encode_total(row.total)) for row in usage.models
        ],
    )


def encode_allowance(allowance: Allowance) -> pb.BudgetState:
    """A budget, and how much of it is gone."""
    return pb.BudgetState(
        owner=_OWNERS[allowance.whose],
        period=_PERIODS[allowance.period],
        unit=_UNITS[allowance.unit],
        limit=allowance.limit,
        used=allowance.used,
        reserved=allowance.reserved,
        left=allowance.left,
        resets_at=timestamp(allowance.resets_at),
    )


def _call(one: AccountedCall) -> pb.ModelCall:
    return pb.ModelCall(
        id=one.call.id,
        kind=KINDS[one.call.kind],
        provider=one.call.provider,
        model=one.call.model,
        key_id=one.call.key_id,
        started_at=timestamp(one.call.started_at),
        input_tokens=one.spent.input_tokens,
        output_tokens=one.spent.output_tokens,
        cached_tokens=one.spent.cached_tokens,
        images=one.spent.images,
        cost_micros=one.cost,
        is_estimated=one.spent.is_estimated,
    )


def _day(field: str, text: str) -> date | None:
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidField([FieldViolation(field, "must be a day such as 2026-11-21")])
