"""Which model answers a message that names one: among the configured ones and those an organization added."""

from collections.abc import Sequence
from itertools import chain

from server.domain.errors import ModelInactive, UnknownModel
from server.domain.model import Model
from server.ports.provider import Models


def chosen_model(models: Models, added: Sequence[Model], *, provider: str | None, model: str) -> Model:
    """The model of that name or id (in either case), of the provider if one is named, else of the first that lists it;
    one that nobody lists is passed through where a provider takes any.

    Raises `UnknownModel`; `ModelInactive` for one of the `added` whose provider is not configured any more.
    """
    for listed in chain(models.all(), added):
        is_meant = model == listed.name or model.lower() == listed.id
        if is_meant and provider in (None, listed.provider):
            return _served(models, listed)
    return models.resolve(model) if provider is None else models.offered(provider, model)


def _served(models: Models, model: Model) -> Model:
    try:
        models.provider(model.provider)
    except UnknownModel:
        raise ModelInactive(provider=model.provider, model=model.name) from None
    return model
