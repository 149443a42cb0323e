"""The kill matrix: whatever step of a run a process dies, stands still or fails at, nothing acknowledged is lost.

    make test-faults
    pytest -m '' 'tests/faults/test_matrix.py::test_cell[claimed.kill.sqlite.QUEUE]'

plays all cells, or one. A few of them belong to every `make test`. `FAULTS_REPORT=FILE` adds a line for each cell.
"""

import json
import os
import time
from pathlib import Path

import pytest

from tests.faults.cells import REPRESENTATIVE, Cell, cells
from tests.faults.databases import Databases
from tests.faults.kinds import play
from tests.faults.play import Outcome
from tests.support.nursery import Nursery

pytestmark = pytest.mark.timeout(240)


def _parameter(cell: Cell) -> object:
    marks = [] if cell.name in REPRESENTATIVE else [pytest.mark.faults]
    return pytest.param(cell, id=cell.name, marks=marks)


@pytest.mark.parametrize("cell", [_parameter(cell) for cell in cells()])
async def test_cell(cell: Cell, databases: Databases, nursery: Nursery, tmp_path: Path) -> None:
    database = await getattr(databases, cell.store)(tmp_path)
    began = time.monotonic()
    outcome = await play(cell, tmp_path, database, nursery)
    _report(cell, outcome, time.monotonic() - began)


def _report(cell: Cell, outcome: Outcome, seconds: float) -> None:
    file = os.environ.get("FAULTS_REPORT")
    if file:
        line = {"cell": cell.name, "resumed_seconds": outcome.resumed_seconds, "seconds": round(seconds, 1)}
        with Path(file).open("a") as report:
            report.write(json.dumps(line) + "\n")
