"""What must hold of what model calls cost after anything: no outcome without its call, no sum but that of its parts."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Row = Mapping[str, Any]
Rows = Sequence[Row]

_COUNTS: Final = ("input_tokens", "output_tokens", "cached_tokens", "images", "cost")
_MICROSECONDS_A_DAY: Final = 86_400_000_000


def check_usage(*, calls: Rows, days: Rows, spending: Rows, runs: Rows, messages: Rows, has_deletions: bool) -> None:
    """Assert it. The calls of conversations that were deleted are gone, their sums stay."""
    settled = [call for call in calls if call["settled"]]
    _check_open_calls([call for call in calls if not call["settled"]], runs)
    _check_answers(messages, settled)
    by_day = _sum(days, _day_of_sum)
    by_call = _sum([{**call, "calls": 1} for call in settled], _day_of_call)
    if has_deletions:
        assert all(total <= by_day[name] for name, total in by_call.items()), "a day has less than its calls"
    else:
        assert by_call == by_day, "the days are not the sums of their calls"
    for name in ("run_id", "conversation_id", "key_id"):
        parts = [_sum([call for call in settled if call[name] == each], _all) for each in {c[name] for c in settled}]
        assert sum(parts, Counter()) == _sum(settled, _all), f"calls by {name} are not all calls"
    _check_spending(days, spending)


def _check_open_calls(calls: Rows, runs: Rows) -> None:
    """A call is under way as long as somebody holds its run; what ended or took the run over has settled it."""
    running = {run["id"] for run in runs if run["state"] == "RUNNING"}
    lost = [call["id"] for call in calls if call["expires_at"] is None and call["run_id"] not in running]
    assert not lost, f"calls of nobody are still open: {lost}"


def _check_answers(messages: Rows, calls: Rows) -> None:
    """Every answer of a model was accounted with it, by what its provider reported if that is known."""
    of_message: dict[str, list[Row]] = {}
    for call in calls:
        of_message.setdefault(call["message_id"], []).append(call)
    for message in messages:
        is_cached = "cache_hit" in (message["message_metadata"] or "")
        if message["role"] != "assistant" or message["run_id"] is None or is_cached:
            continue
        own = of_message.get(message["id"], [])
        assert own, f"the answer {message['id']} cost nothing"
        if message["usage"]:
            told = json.loads(message["usage"])
            reported = [(call["input_tokens"], call["output_tokens"]) for call in own if not call["is_estimated"]]
            assert (told["prompt_tokens"], told["completion_tokens"]) in reported, "an answer cost something else"


def _check_spending(days: Rows, spending: Rows) -> None:
    """What budgets are held against is what was used: by the tenant, and by all keys together."""
    whole = Counter[Any]()
    of_keys = Counter[Any]()
    for row in days:
        tokens = row["input_tokens"] + row["output_tokens"]
        for counted in (whole, *([of_keys] if row["key_id"] else [])):
            counted[row["tenant"], row["day"], "tokens"] += tokens
            counted[row["tenant"], row["day"], "cost"] += row["cost"]
    spent, spent_by_keys = Counter[Any](), Counter[Any]()
    for row in spending:
        counted = spent_by_keys if row["account"] else spent
        counted[row["tenant"], row["day"], "tokens"] += row["tokens"]
        counted[row["tenant"], row["day"], "cost"] += row["cost"]
    assert +whole == +spent, "the tenant spent something else than was used"
    assert +of_keys == +spent_by_keys, "the keys spent something else than was used"


def _sum(rows: Rows, name: Callable[[Row], tuple[Any, ...]]) -> Counter[Any]:
    """What rows of one name have together, without what is nothing."""
    total = Counter[Any]()
    for row in rows:
        for count in ("calls", *_COUNTS):
            total[*name(row), count] += row.get(count) or 0
    return +total


def _day_of_sum(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("tenant", "owner", "key_id", "provider", "model", "day"))


def _day_of_call(row: Row) -> tuple[Any, ...]:
    return (*(row[name] for name in ("tenant", "owner", "key_id", "provider", "model")), _day(row["started_at"]))


def _day(micros: int) -> int:
    return micros // _MICROSECONDS_A_DAY


def _all(_: Row) -> tuple[Any, ...]:
    return ()
