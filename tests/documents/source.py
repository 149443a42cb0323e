"""The documents whose examples are replayed, and the copies of their facts that stand in for them elsewhere."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.documents.curl import Exchange, read, samples_by_route

DOCUMENTS: Final = {
    "quickstart": "000_c9e86cb5e54cb220.txt",
    "conversations_guide": "001_3615c3dfda7dee06.txt",
    "archive": "002_8aa7c52c15da8dad.txt",
    "conversation_service": "004_7e6dede36f57757c.txt",
}
FACTS: Final = Path(__file__).with_name("facts.json")
_REPOSITORY: Final = Path(__file__).parents[2]


def folder() -> Path | None:
    """Where the documents are: `TEST_DOCUMENTS`, or beside the repository; None where they are not."""
    path = Path(os.environ.get("TEST_DOCUMENTS") or _REPOSITORY.parent / "shared" / "documents")
    return path if path.is_dir() else None


def exchanges_of_document(path: Path) -> list[Exchange]:
    """The exchanges of a document that the service can have."""
    text = path.read_text()
    samples = samples_by_route(text)
    return [
        replace(exchange, sample=samples.get(exchange.route)) if exchange.sample is None else exchange
        for exchange in read(text)
    ]


def exchanges_of_facts(name: str) -> list[Exchange]:
    """The same, from the copy."""
    facts = json.loads(FACTS.read_text())[name]
    return [Exchange(tuple(fact["arguments"]), fact["sample"]) for fact in facts]


def write_facts(documents: Path) -> None:
    """Make the copies anew: `python -m tests.documents.source`, after the documents or the reading of them changed."""
    facts = {
        name: [
            {"arguments": exchange.arguments, "sample": exchange.sample}
            for exchange in exchanges_of_document(documents / file)
        ]
        for name, file in DOCUMENTS.items()
    }
    FACTS.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    found = folder()
    if found is None:
        raise SystemExit("the documents are not here")
    write_facts(found)
