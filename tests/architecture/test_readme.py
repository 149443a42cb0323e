"""What the README and the guides say is so."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from typer.main import get_command

from server import __main__ as command_line
from server.config import ClientSettings, Settings, variable
from tests.architecture.settings_table import PAGE, shown, table
from tests.support.manual import PAGES, REPOSITORY, manual

_CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def spans() -> list[str]:
    """Everything that the manual sets as code, a line each."""
    found = _CODE.findall(manual())
    return [line.strip() for block, word in found for line in (block or word).splitlines()]


def calls_of(program: str) -> list[list[str]]:
    """The words behind a program wherever the manual calls it, with or without a path or variables before it."""
    pattern = re.compile(rf"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?{program}((?: .*)?)$")
    return [shlex.split(call[1], comments=True) for span in spans() if (call := pattern.match(span))]


def test_the_settings_table_is_that_of_the_settings() -> None:
    assert shown(PAGE.read_text()) == table(), "run python -m tests.architecture.settings_table"


def test_every_make_target_it_names_is_there() -> None:
    named = {words[0] for words in calls_of("make") if words}
    assert {"run", "test", "ci"} <= named
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert named <= set(targets)


def test_every_flag_it_passes_is_one() -> None:
    # `ARGS="…"` of make goes to serve.
    of_serve = [
        ["serve", *shlex.split(word[5:])] for words in calls_of("make") for word in words if word[:5] == "ARGS="
    ]
    calls = [*calls_of("parley"), *of_serve]
    assert len(calls) > len(of_serve) > 0
    for words in calls:
        command = get_command(command_line.app)
        path = [word for word in words if not word.startswith("-") and word.islower() and "." not in word]
        for name in path[:2]:
            subcommands = getattr(command, "commands", {})
            assert name in subcommands or not subcommands, f"parley {' '.join(words)}"
            command = subcommands.get(name, command)
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= flags, f"parley {' '.join(words)}"


def test_every_variable_it_names_is_a_setting() -> None:
    known = {variable(settings, name) for settings in (Settings, ClientSettings) for name in settings.model_fields}
    assert set(re.findall(r"PARLEY_[A-Z_]+\b", manual())) <= known


@pytest.mark.parametrize("settings", [Settings, ClientSettings])
def test_every_setting_says_what_it_is(settings: type[BaseSettings]) -> None:
    assert [name for name, field in settings.model_fields.items() if not field.description] == []


def test_the_configuration_file_it_shows_is_one() -> None:
    examples = re.findall(r"```toml\n(.*?)```", manual(), re.DOTALL)
    assert examples
    from server.adapters.blobs.s3.config import read_storage
    from server.adapters.guardrails.configuration import load_guardrails
    from server.adapters.memory.configuration import read_memory
    from server.adapters.provider.configuration import load_providers
    from server.adapters.spending.configuration import load_spending
    from server.adapters.tools.toml_servers import read_tool_servers
    from server.adapters.voice.configuration import read_voice
    from server.domain.memory import EmbeddingModel

    for example in map(tomllib.loads, examples):
        if "providers" in example:
            config = load_providers(toml=example, env={"OPENAI_API_KEY": "sk-example"})
            assert config.default_model.name == "gpt-4o-mini"
        assert "guardrails" not in example or load_guardrails(example).rules is not None
        assert "mcp_servers" not in example or read_tool_servers(example, {})
        if "prices" in example:
            priced = {"name": "openai", "models": ["gpt-4o-mini"], "image_model": "gpt-image-1"}
            providers = load_providers(toml={"providers": [priced]}, env={})
            embedding = EmbeddingModel("openai", "text-embedding-3-small")
            assert load_spending(example, providers, embedding).budgets.has_costs
        if "memory" in example:
            remembering = {"name": "openai", "models": ["gpt-4o-mini"]}
            assert read_memory(example, load_providers(toml={"providers": [remembering]}, env={})) is not None
        keys = {"DAILY_API_KEY": "example", "OPENAI_API_KEY": "sk-example"}
        assert "voice" not in example or read_voice(example, keys) is not None
        if "storage" in example:
            assert read_storage(example, {"S3_ACCESS_KEY": "AKIA", "S3_SECRET_KEY": "example"}) is not None
        assert {"providers", "guardrails", "mcp_servers", "prices", "memory", "storage", "voice"} & example.keys()


def test_the_python_it_shows_compiles() -> None:
    for example in re.findall(r"```python\n(.*?)```", manual(), re.DOTALL):
        compile(example, "manual", "exec", dont_inherit=True)


def _anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for place, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), place
        assert not anchor or anchor in _anchors(target), f"{place}#{anchor}"


def test_every_guide_is_led_to() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert [page.name for page in PAGES if page.parent.name == "docs" and f"(docs/{page.name})" not in readme] == []
