"""Writes the snapshot of the toy's route table: `python -m tests.support.toy.golden`, after a deliberate change."""

import json
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool

from gateway.core.route import RouteCompiler
from tests.support.toy.compiled import SERVICES, compiled
from tests.support.toy.route_table import route_table

FILE = Path(__file__).parents[2] / "golden" / "toy_routes.json"


def table() -> dict[str, Any]:
    """Give the table as JSON would give it back."""
    compiled()
    rows: dict[str, Any] = json.loads(
        json.dumps(route_table(RouteCompiler(descriptor_pool.Default()).routes(SERVICES)))
    )
    return rows


def write() -> None:
    """Write one row a line, so that a difference shows which routes have changed."""
    rows = table()
    dialects = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows["dialects"].items())
    routes = ",\n".join(json.dumps(row) for row in rows["routes"])
    FILE.write_text(f'{{"dialects": {{\n{dialects}\n}},\n"routes": [\n{routes}\n]}}\n')


if __name__ == "__main__":
    write()
