"""The npm packages of the Connect clients and what they generate from the protos; installed once, by the lock."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parent / "client"
ROOT = Path(__file__).parents[3]
_SECONDS = 240
_LOCK = ROOT / ".cache" / "connect-client.lock"
# Written last: a folder without it was left half-way.
_INSTALLED = CLIENT / "node_modules" / ".installed"


@pytest.fixture(scope="session")
def connect_client() -> Path:
    """The folder of the client program, ready to run; skips where there is no Node.js or the packages cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Connect clients: this machine has no Node.js with npm")
    _LOCK.parent.mkdir(exist_ok=True)
    with _LOCK.open("w") as lock:
        # Tests run in several processes: one installs and generates, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(npm)
        _generate()
    return CLIENT


def _install(npm: str) -> None:
    if _INSTALLED.exists():
        return
    installed = _run(npm, "ci", "--no-audit", "--no-fund", cwd=CLIENT)
    if installed.returncode:
        pytest.skip(f"Connect clients: npm cannot install their packages: {installed.stderr.strip()[-200:]}")
    _INSTALLED.touch()


def _generate() -> None:
    buf = Path(sys.executable).parent / "buf"
    template = CLIENT.relative_to(ROOT) / "buf.gen.yaml"
    generated = _run(str(buf), "generate", "--template", str(template), cwd=ROOT)
    assert generated.returncode == 0, generated.stderr


def _run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_SECONDS, check=False)
