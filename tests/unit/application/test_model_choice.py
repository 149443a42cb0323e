"""Which model a message means that names one."""

import pytest

from server.application.model_choice import chosen_model
from server.domain.attachment import EVERYTHING
from server.domain.errors import ModelInactive, ParleyError, UnknownModel
from server.domain.model import Model
from tests.support.house import ScriptedModels
from tests.support.scripted_provider import ScriptedProvider

FIRST, SECOND = Model("scripted", "first", accepted=EVERYTHING), Model("scripted", "second")
THIRD, GONE = Model("scripted", "third"), Model("gone", "fourth")
OTHER_FIRST = Model("gone", "first")
ADDED = (THIRD, GONE, OTHER_FIRST)
MODELS = ScriptedModels(ScriptedProvider())


@pytest.mark.parametrize(
    ("provider", "model", "meant"),
    [
        (None, "second", SECOND),
        ("scripted", "second", SECOND),
        (None, SECOND.id, SECOND),
        (None, SECOND.id.upper(), SECOND),
        ("scripted", SECOND.id, SECOND),
        (None, "third", THIRD),
        ("scripted", THIRD.id, THIRD),
        (None, "first", FIRST),
    ],
)
def test_a_model_is_found_by_name_or_id_and_by_its_provider(provider: str | None, model: str, meant: Model) -> None:
    assert chosen_model(MODELS, ADDED, provider=provider, model=model) == meant


@pytest.mark.parametrize(
    ("provider", "model", "error"),
    [
        (None, "fifth", UnknownModel),
        (None, Model("scripted", "fifth").id, UnknownModel),
        ("elsewhere", "second", UnknownModel),
        ("elsewhere", SECOND.id, UnknownModel),
        ("gone", "third", UnknownModel),
        (None, "fourth", ModelInactive),
        (None, GONE.id, ModelInactive),
        ("gone", "first", ModelInactive),
    ],
)
def test_a_model_that_cannot_answer_is_refused(provider: str | None, model: str, error: type[ParleyError]) -> None:
    with pytest.raises(error):
        chosen_model(MODELS, ADDED, provider=provider, model=model)
