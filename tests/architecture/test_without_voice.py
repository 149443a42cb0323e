"""Where the extra `voice` is not installed everything else works: nothing but the bot's own modules imports it."""

import subprocess
import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_IMPORT_ALL = """
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pipecat", "daily", "loguru", "openai", "onnxruntime"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import server

own = ("server.adapters.voice.bot.", "server.adapters.store.migrations.")
names = [each.name for each in pkgutil.walk_packages(server.__path__, "server.") if not each.name.startswith(own)]
for name in names:
    importlib.import_module(name)
print(len(names), "server.adapters.voice.link" in names)
"""


def test_every_other_module_can_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL],
        cwd=_REPOSITORY,
        env={"PYTHONPATH": f"{_REPOSITORY}:{_REPOSITORY / 'generated'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules, link = done.stdout.split()
    assert int(modules) > 100
    assert link == "True"
