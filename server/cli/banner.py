"""What `parley serve` says on standard output once it answers: where it is, how to get in, who answers, what to try."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from server.domain.model import Model

_LABEL_WIDTH = 8
_HOW_TO_GET_A_MODEL = (
    "For answers of a real model set OPENROUTER_API_KEY, or PARLEY_OPENAI_BASE_URL, PARLEY_OPENAI_API_KEY and",
    "PARLEY_DEFAULT_MODEL, or name providers in a file: --config FILE. Then start again.",
)


@dataclass(frozen=True, slots=True)
class Banner:
    """The facts of a running service that whoever started it needs."""

    version: str
    http: str
    grpc: str
    data: Path
    model: Model
    has_tls: bool
    answers_are_echoed: bool
    """Whether no model is configured and the offline `echo` answers."""
    key: str | None
    """The development key; `None` when there is none to use."""
    docs_path: str | None = None
    """Where a browser finds the API's description."""
    why_no_key: str = ""
    """Said in its place then."""
    chat_command: str = "parley chat"

    def show(self, console: Console) -> None:
        """Print it. No line is wrapped, for some are there to be copied."""
        console.print(Text(f"Parley {self.version}", style="bold"), soft_wrap=True)
        for label, value in self._rows():
            line = Text(f"  {label:<{_LABEL_WIDTH}}", style="cyan")
            console.print(line.append(value, style="default"), soft_wrap=True)
        console.print(Text("\nTry it:" if self.key else "\nTry it, with your key:", style="bold"), soft_wrap=True)
        for command in self._commands():
            console.print(Text(command), soft_wrap=True)
        console.print(Text("\nCtrl-C ends it.", style="dim"), soft_wrap=True)

    @property
    def _url(self) -> str:
        return f"{'https' if self.has_tls else 'http'}://{self.http}"

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "HTTP", self._url
        if self.docs_path:
            yield "Docs", f"{self._url}{self.docs_path}"
        yield "gRPC", f"{self.grpc} (TLS)" if self.has_tls else self.grpc
        yield "Data", str(self.data)
        yield "Key", f"{self.key}  (user dev; also in {self.data / 'dev.key'})" if self.key else self.why_no_key
        if not self.answers_are_echoed:
            yield "Model", f"{self.model.name} ({self.model.provider})"
            return
        yield "Model", "none: answers come from `echo`, which only repeats what it is told, offline."
        for line in _HOW_TO_GET_A_MODEL:
            yield "", line

    def _commands(self) -> Iterator[str]:
        yield (
            f"curl -X POST {self._url}/api/v1/llm/gateway/list-threads"
            f" -H 'X-API-Key: {self.key or 'YOUR_KEY'}' -H 'Content-Type: application/json' -d '{{}}'"
        )
        if self.key:
            yield self.chat_command
