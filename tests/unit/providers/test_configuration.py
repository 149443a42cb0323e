"""Which providers there are follows from the file, else the environment, else there is echo."""

import tomllib
from datetime import timedelta

import pytest

from server.adapters.provider.configuration import ConfigurationError, ProviderKind, ProvidersConfig, load_providers
from server.domain.attachment import EVERYTHING, TEXT_ALONE, AcceptedTypes
from server.domain.model import Model


def _load(toml: str | None = None, **env: str) -> ProvidersConfig:
    return load_providers(toml=None if toml is None else tomllib.loads(toml), env=env)


def test_a_fresh_machine_has_echo_that_accepts_any_model() -> None:
    config = _load()
    (echo,) = config.providers
    assert (echo.kind, echo.name, echo.accepts_any_model) == (ProviderKind.ECHO, "echo", True)
    assert config.default_model == Model("echo", "echo", accepted=EVERYTHING)


def test_an_openrouter_key_makes_openrouter_the_default() -> None:
    config = _load(OPENROUTER_API_KEY="sk-or-1")
    (provider,) = config.providers
    assert (provider.name, provider.base_url) == ("openrouter", "https://openrouter.ai/api/v1")
    assert (provider.api_key, provider.accepts_any_model) == ("sk-or-1", True)
    assert {"HTTP-Referer", "X-Title"} <= set(provider.headers)
    assert config.default_model == Model("openrouter", "openai/gpt-4o-mini")


def test_a_base_url_goes_before_openrouter() -> None:
    config = _load(
        PARLEY_OPENAI_BASE_URL="http://localhost:11434/v1/", PARLEY_DEFAULT_MODEL="llama3", OPENROUTER_API_KEY="sk-or-1"
    )
    (provider,) = config.providers
    assert (provider.name, provider.base_url, provider.api_key) == ("openai", "http://localhost:11434/v1", None)
    assert (provider.headers, provider.max_tokens_field) == ({}, "max_tokens")
    assert config.default_model == Model("openai", "llama3")


def test_a_key_alone_means_openai() -> None:
    config = _load(PARLEY_OPENAI_API_KEY=" sk-1\n")
    (provider,) = config.providers
    assert (provider.base_url, provider.api_key) == ("https://api.openai.com/v1", "sk-1")
    assert provider.max_tokens_field == "max_completion_tokens"
    assert config.default_model == Model("openai", "gpt-4o-mini")


@pytest.mark.parametrize(("variable", "provider"), [("OPENROUTER_API_KEY", "openrouter"), ("UNRELATED", "echo")])
def test_the_default_model_can_be_named(variable: str, provider: str) -> None:
    config = _load(**{variable: "value", "PARLEY_DEFAULT_MODEL": "a/b"})
    assert (config.default_model.provider, config.default_model.name) == (provider, "a/b")


def test_blank_variables_count_as_not_set() -> None:
    assert _load(OPENROUTER_API_KEY="", PARLEY_OPENAI_API_KEY="  ").providers[0].kind is ProviderKind.ECHO


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"PARLEY_OPENAI_BASE_URL": "http://localhost:11434/v1"}, "PARLEY_DEFAULT_MODEL: missing"),
        (
            {"PARLEY_OPENAI_BASE_URL": "localhost:11434", "PARLEY_DEFAULT_MODEL": "m"},
            "PARLEY_OPENAI_BASE_URL: expected",
        ),
        ({"PARLEY_OPENAI_BASE_URL": "ftp://x/v1", "PARLEY_DEFAULT_MODEL": "m"}, "PARLEY_OPENAI_BASE_URL: expected"),
        ({"PARLEY_OPENAI_BASE_URL": "http://[::1/v1", "PARLEY_DEFAULT_MODEL": "m"}, "PARLEY_OPENAI_BASE_URL: expected"),
        ({"PARLEY_OPENAI_BASE_URL": "http://u:hidden@x/v1", "PARLEY_DEFAULT_MODEL": "m"}, "take the user and password"),
        ({"PARLEY_OPENAI_BASE_URL": "http://x/v1?key=hidden", "PARLEY_DEFAULT_MODEL": "m"}, "no query"),
        ({"PARLEY_OPENAI_API_KEY": "hidden words"}, "PARLEY_OPENAI_API_KEY: an API key is one word"),
        ({"OPENROUTER_API_KEY": "hidden\r\nX-Evil: 1"}, "OPENROUTER_API_KEY: an API key is one word"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_not_shown(env: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(**env)
    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_file_names_several_providers_and_goes_before_the_environment() -> None:
    config = _load(
        """
        default_model = "big"
        [server]
        whatever = 1
        [[providers]]
        name = "work"
        base_url = "https://models.example/v1/chat/completions"
        api_key_env = "WORK_KEY"
        models = ["small", { name = "big", context_tokens = 128000, fast = false }]
        headers = { X-Team = "support" }
        connect_timeout = 2.5
        first_token_timeout = 300
        between_tokens_timeout = 15
        max_tokens_field = "max_completion_tokens"
        [[providers]]
        name = "router"
        base_url = "https://openrouter.ai/api/v1"
        api_key = "sk-or-2"
        headers = { X-Title = "Ours" }
        [[providers]]
        name = "offline"
        kind = "echo"
        word_delay = 0.001
        """,
        WORK_KEY="secret",
        OPENROUTER_API_KEY="sk-or-1",
    )
    work, router, offline = config.providers
    assert (work.base_url, work.api_key, work.accepts_any_model) == ("https://models.example/v1", "secret", False)
    assert work.models == (
        Model("work", "small"),
        Model("work", "big", {"context_tokens": 128000, "fast": False}),
    )
    assert (work.headers, work.max_tokens_field) == ({"X-Team": "support"}, "max_completion_tokens")
    assert work.timeouts.connect == timedelta(seconds=2.5)
    assert work.timeouts.first_token == timedelta(minutes=5)
    assert work.timeouts.between_tokens == timedelta(seconds=15)
    assert (router.models, router.accepts_any_model, router.headers["X-Title"]) == ((), True, "Ours")
    assert (offline.kind, offline.models, offline.accepts_any_model) == (
        ProviderKind.ECHO,
        (Model("offline", "echo", accepted=EVERYTHING),),
        False,
    )
    assert offline.word_delay == timedelta(milliseconds=1)
    assert config.default_model == Model("work", "big", {"context_tokens": 128000, "fast": False})


def test_the_first_listed_model_is_the_default() -> None:
    config = _load('[[providers]]\nname = "a"\n[[providers]]\nname = "b"\nmodels = ["x", "y"]\n')
    assert config.default_model == Model("b", "x")


def test_the_variable_for_the_default_model_goes_before_the_file_s() -> None:
    toml = 'default_model = "x"\n[[providers]]\nname = "a"\nmodels = ["x", "y"]\n'
    assert _load(toml, PARLEY_DEFAULT_MODEL="y").default_model == Model("a", "y")
    with pytest.raises(ConfigurationError, match="PARLEY_DEFAULT_MODEL: no provider of the file offers 'z'"):
        _load(toml, PARLEY_DEFAULT_MODEL="z")


def test_a_listed_provider_may_accept_any_model_too() -> None:
    config = _load('default_model = "z"\n[[providers]]\nname = "a"\nmodels = ["x"]\naccepts_any_model = true\n')
    assert config.default_model == Model("a", "z")


def test_a_file_without_providers_leaves_the_word_to_the_environment() -> None:
    assert _load("[server]\nport = 1\n", OPENROUTER_API_KEY="sk-or-1").providers[0].name == "openrouter"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "providers[0].name: missing"),
        ('name = ""', "providers[0].name: must not be empty"),
        ("name = 7", "providers[0].name: expected a text in quotes"),
        ('name = "a"\nkind = "magic"', "providers[0].kind: expected one of openai_compatible, echo"),
        (
            'name = "a"\nbase_uri = "http://x"',
            "providers[0].base_uri: no such key; there are accepts, accepts_any_model, api_key",
        ),
        ('name = "a"\nkind = "echo"\nbase_url = "http://x"', "providers[0].base_url: no such key"),
        ('name = "a"\nbase_url = "x"', "providers[0].base_url: expected a URL"),
        ('name = "a"\napi_key = "hidden hidden"', "providers[0].api_key: an API key is one word"),
        (
            'name = "a"\napi_key_env = "NOT_SET"',
            "providers[0].api_key_env: the environment variable NOT_SET is not set",
        ),
        ('name = "a"\napi_key_env = "BAD"', "providers[0].api_key_env: BAD: an API key is one word"),
        ('name = "a"\napi_key = "hidden"\napi_key_env = "GOOD"', "give api_key or api_key_env, not both"),
        ('name = "a"\nmodels = []', "providers[0].models: must not be empty"),
        ('name = "a"\nmodels = "x"', "providers[0].models: expected an array"),
        ('name = "a"\nmodels = [7]', "providers[0].models[0]: expected a table"),
        ('name = "a"\nmodels = [""]', "providers[0].models[0].name: must not be empty"),
        ('name = "a"\nmodels = ["x", { context_tokens = 1 }]', "providers[0].models[1].name: missing"),
        (
            'name = "a"\nmodels = [{ name = "x", context = [1] }]',
            "providers[0].models[0].context: expected a text, a num",
        ),
        *(
            (
                f'name = "a"\nmodels = [{{ name = "x", context_tokens = {tokens} }}]',
                "providers[0].models[0].context_tokens: expected",
            )
            for tokens in ("0", "-1", "8.5", "true", '"8k"')
        ),
        ('name = "a"\nmodels = ["x", "x"]', "providers[0].models: a model is listed twice"),
        ('name = "a"\naccepts_any_model = "yes"', "providers[0].accepts_any_model: expected true or false"),
        ('name = "a"\naccepts_any_model = false', "providers[0].models: missing"),
        ('name = "a"\nheaders = 7', "providers[0].headers: expected a table"),
        ('name = "a"\nheaders = { "X Y" = "hidden" }', "providers[0].headers.X Y: not a header"),
        ('name = "a"\nheaders = { Host = "hidden" }', "providers[0].headers.Host: not a header that can be set"),
        (
            'name = "a"\nheaders = { X-A = "hidden\\r\\nX-B: 1" }',
            "providers[0].headers.X-A: the value must be one line",
        ),
        ('name = "a"\nconnect_timeout = 0', "providers[0].connect_timeout: expected a positive number of seconds"),
        ('name = "a"\nfirst_token_timeout = true', "providers[0].first_token_timeout: expected a positive number"),
        ('name = "a"\nbetween_tokens_timeout = inf', "providers[0].between_tokens_timeout: expected a positive number"),
        ('name = "a"\nmax_tokens_field = "tokens"', "providers[0].max_tokens_field: expected one of max_tokens, max_c"),
        ('name = "a"', "default_model: missing"),
        ('name = "a"\nmodels = ["x"]\n[[providers]]\nname = "a"', "providers[1].name: 'a' is taken"),
    ],
)
def test_a_mistake_in_the_file_is_named_by_its_key_without_showing_secrets(table: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(f"[[providers]]\n{table}\n", BAD="hidden hidden", GOOD="hidden")
    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("toml", ["providers = 7", "providers = []", "[providers]\nname = 'a'"])
def test_providers_must_be_an_array_of_tables(toml: str) -> None:
    with pytest.raises(ConfigurationError, match=r"providers: expected one or more \[\[providers\]\] tables"):
        _load(toml)


def test_no_secret_shows_in_a_representation() -> None:
    toml = '[[providers]]\nname = "a"\napi_key = "hidden"\nheaders = { X-Key = "hidden" }\nmodels = ["x"]\n'
    assert "hidden" not in repr(_load(toml))


def test_echo_and_openai_draw_without_further_configuration() -> None:
    assert _load().image_model == Model("echo", "echo")
    assert _load(PARLEY_OPENAI_API_KEY="sk-1").image_model == Model("openai", "gpt-image-1")


@pytest.mark.parametrize("key", ["OPENROUTER_API_KEY", "PARLEY_OPENAI_BASE_URL"])
def test_other_servers_draw_when_their_image_model_is_named(key: str) -> None:
    env = {key: "http://127.0.0.1:9/v1", "PARLEY_DEFAULT_MODEL": "m"}
    provider = _load(**env).providers[0].name
    assert _load(**env).image_model is None
    assert _load(**env, PARLEY_IMAGE_MODEL="flux").image_model == Model(provider, "flux")


def test_the_file_names_image_models_and_the_default_one() -> None:
    tables = '[[providers]]\nname = "a"\nimage_model = "one"\n[[providers]]\nname = "b"\nimage_model = "two"\n'
    models = 'default_model = "m"\n'
    assert _load(models + tables).image_model == Model("a", "one")
    assert _load(f'{models}default_image_model = "two"\n{tables}').image_model == Model("b", "two")
    assert _load(models + tables, PARLEY_IMAGE_MODEL="two").image_model == Model("b", "two")


@pytest.mark.parametrize(
    ("toml", "env", "key"),
    [
        ('default_image_model = "x"\n', {}, "default_image_model"),
        ("", {"PARLEY_IMAGE_MODEL": "x"}, "PARLEY_IMAGE_MODEL"),
    ],
)
def test_a_default_image_model_that_nobody_has_is_refused(toml: str, env: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{key}: no provider of the file has 'x'"):
        _load(f'{toml}[[providers]]\nname = "a"\nmodels = ["m"]\n', **env)


def _accepted(models: str, accepts: str) -> dict[str, AcceptedTypes]:
    config = _load(f'[[providers]]\nname = "a"\n{accepts}\nmodels = [{models}]')
    return {model.name: model.accepted for model in config.providers[0].models}


def test_a_model_takes_text_alone_unless_somebody_says_more() -> None:
    assert _accepted('"x"', "") == {"x": TEXT_ALONE}
    assert not TEXT_ALONE.take("image/png")
    assert TEXT_ALONE.take("text/csv")
    assert TEXT_ALONE.take("application/json")
    assert not EVERYTHING.take("application/zip")


def test_a_provider_says_what_its_models_take_and_a_model_what_it_takes_instead() -> None:
    models = '"x", { name = "y", accepts = ["audio", "image/png"] }, { name = "z", accepts = [] }'
    accepted = _accepted(models, 'accepts = ["image", "pdf", "text"]')
    images = {"image/png", "image/jpeg", "image/gif", "image/webp"}
    assert accepted["x"].types == {*images, "application/pdf"}
    assert accepted["y"].types == {"audio/wav", "audio/mpeg", "image/png"}
    assert accepted["z"] == TEXT_ALONE
    assert accepted["y"].take("audio/x-wav")
    assert not accepted["y"].take("image/jpeg")


@pytest.mark.parametrize("accepts", ['["video"]', '["image/svg"]', "[1]", '"image"'])
def test_what_no_model_can_be_shown_is_refused(accepts: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^providers\[0\]\.models\[0\]\.accepts: "):
        _accepted(f'{{ name = "x", accepts = {accepts} }}', "")


def test_what_models_of_the_environment_take_is_in_the_environment() -> None:
    config = _load(PARLEY_OPENAI_API_KEY="sk-1", PARLEY_MODEL_ACCEPTS="image, application/pdf")
    assert config.default_model.accepted.types > {"application/pdf", "image/png"}
    assert not config.default_model.accepted.take("audio/wav")
    assert config.providers[0].accepted == config.default_model.accepted
    with pytest.raises(ConfigurationError, match=r"^PARLEY_MODEL_ACCEPTS: 'film' is none of text, image, "):
        _load(PARLEY_OPENAI_API_KEY="sk-1", PARLEY_MODEL_ACCEPTS="film")
