"""The console in a real browser, where there is one: it shows the operations, and nothing of the document is markup."""

import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.openapi.background import Background, background_service

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    with background_service(tmp_path_factory.mktemp("browser")) as running:
        yield running


def shown(service: Background, address: str, folder: object) -> str:
    """Give the page as the browser has it when it has come to rest."""
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder}", f"{service.url}/docs{address}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout


def test_the_overview_lists_every_operation_and_angle_brackets_stay_text(service: Background, tmp_path: object) -> None:
    page = shown(service, "", tmp_path)
    operations = sum(len(item) for item in httpx.get(f"{service.url}/openapi.json").json()["paths"].values())
    assert page.count('class="overview"') == operations
    assert "POST /&lt;package.Service&gt;/&lt;Method&gt;" in page


def test_an_operation_has_its_members_a_form_and_its_events(service: Background, tmp_path: object) -> None:
    page = shown(service, "#parley.v1.RunService.Generate", tmp_path)
    for text in ("/api/v1/llm/gateway/generate", "conversationKey", "run_started", 'id="p-body"', ">Send</button>"):
        assert text in page
