"""What a caller sees of budgets: a refusal before anything is stored, what is left, and what a key has cost."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.application.spending_rules import SpendingRules
from server.domain.spending import Budget, Budgets
from server.domain.usage import Price
from tests.contract.api.serving import Served, serve

GATEWAY = "/api/v1/llm/gateway"
RULES = SpendingRules(
    prices={("scripted", "first"): Price(input=1_000_000, output=1_000_000)},
    budgets=Budgets(every_tenant=Budget(cost_per_month=1_000_000)),
)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, rules=RULES) as made:
        yield made


async def _post(served: Served, path: str, body: dict[str, Any], *, by: str) -> Any:
    return await served.in_process.post(path, json=body, headers={"Authorization": f"Bearer {by}"})


async def _made(served: Served, budget: dict[str, str], **headers: str) -> Any:
    body = {"name": "Small", "permissions": ["conversations:read", "conversations:write", "usage:read"]}
    token = served.issuer.token(scope="*")
    return await served.in_process.post(
        "/api/v1/api-keys/create",
        json={**body, "budget": budget},
        headers={"Authorization": f"Bearer {token}", **headers},
    )


async def test_a_key_with_a_budget_is_refused_when_it_is_used_up(served: Served) -> None:
    made = (await _made(served, {"tokens_per_day": "5"})).json()["result"]
    key = made["key"]
    assert made["budget"]["tokens_per_day"] == "5"
    await _post(served, f"{GATEWAY}/create-thread", {"name": "Talk", "conversation_key": "talk"}, by=key)
    said = {"conversation_key": "talk", "user_message": {"role": "user", "content": "hi"}}
    run = (await _post(served, f"{GATEWAY}/send-message", said, by=key)).json()["runId"]
    await _post(served, f"{GATEWAY}/stream-run", {"run_id": run}, by=key)
    refused = await _post(served, f"{GATEWAY}/send-message", said, by=key)
    assert refused.status_code == 429
    error = refused.json()["error"]
    (info,) = [one for one in error["details"] if "reason" in one]
    assert info["reason"] == "BUDGET_EXCEEDED"
    assert info["metadata"]["budget"] == "KEY/TOKENS/DAY"
    assert (info["metadata"]["limit"], info["metadata"]["left"]) == ("5", "0")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    state = (await _post(served, f"{GATEWAY}/conversation-state", {"conversation_key": "talk"}, by=key)).json()
    assert [message["content"] for message in state["messages"]] == ["hi", "Hello there"]
    budgets = (await _post(served, "/api/v1/usage/budgets", {}, by=key)).json()["budgets"]
    assert [(one["owner"], one["unit"], one["period"], one["used"]) for one in budgets] == [
        ("KEY", "TOKENS", "DAY", "5"),
        ("TENANT", "COST_MICROS", "MONTH", "5"),
    ]
    token = served.issuer.token(scope="*")
    usage = (await _post(served, "/api/v1/api-keys/usage", {"key_id": made["key_id"]}, by=token)).json()["result"]
    assert (usage["total_tokens"], usage["total_cost_micros"]) == ("5", "5")
    assert [(day["model_calls"], day["tokens"]) for day in usage["days"]] == [("1", "5")]


async def test_a_key_gets_no_larger_budget_than_the_key_by_which_it_is_made(served: Served) -> None:
    own = {"name": "Page", "permissions": ["*"], "kind": "publishable", "budget": {"tokens_per_day": "100"}}
    token = served.issuer.token(scope="*")
    made = await _post(served, "/api/v1/api-keys/create", own, by=token)
    presented = {"X-API-Key": made.json()["result"]["key"]}
    refused = await _made(served, {"tokens_per_day": "101"}, **presented)
    assert refused.status_code == 403
    assert "BUDGET_TOO_LARGE" in refused.text
    smaller = await _made(served, {"tokens_per_month": "9"}, **presented)
    assert smaller.json()["result"]["budget"]["tokens_per_day"] == "100"
    assert smaller.json()["result"]["budget"]["tokens_per_month"] == "9"


async def test_a_rotated_key_goes_on_with_the_budget_of_the_one_before(served: Served) -> None:
    made = (await _made(served, {"tokens_per_day": "5"})).json()["result"]
    await _post(served, f"{GATEWAY}/create-thread", {"name": "Talk", "conversation_key": "talk"}, by=made["key"])
    said = {"conversation_key": "talk", "user_message": {"role": "user", "content": "hi"}}
    run = (await _post(served, f"{GATEWAY}/send-message", said, by=made["key"])).json()["runId"]
    await _post(served, f"{GATEWAY}/stream-run", {"run_id": run}, by=made["key"])
    token = served.issuer.token(scope="*")
    for _ in range(2):
        rotated = await _post(served, "/api/v1/api-keys/rotate", {"key_id": made["key_id"]}, by=token)
        made = rotated.json()["result"]
        assert (await _post(served, f"{GATEWAY}/send-message", said, by=made["key"])).status_code == 429
