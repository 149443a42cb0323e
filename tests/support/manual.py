"""The manual: the README and the guides that it leads to."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
PAGES: Final = (REPOSITORY / "README.md", REPOSITORY / "SECURITY.md", *sorted((REPOSITORY / "docs").glob("*.md")))


def manual() -> str:
    """All of it as one text."""
    return "\n".join(page.read_text() for page in PAGES)
