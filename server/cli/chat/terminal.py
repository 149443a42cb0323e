"""What the terminal client shows: the words of the answer on standard output, everything else on standard error."""

import contextlib
import sys
from collections.abc import Sequence

from parley.v1.event_pb2 import Event, RunEnded
from parley.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message
from rich.console import Console
from rich.text import Text

# Gives `input` arrow keys and a history, where the platform has it.
with contextlib.suppress(ImportError):
    import readline  # noqa: F401

_SHOWN_OF_ARGUMENTS = 200
_SHOWN_OF_HISTORY = 4
_PROMPT = "you > "


class Terminal:
    """Two rich consoles; without a terminal behind them they write plain text."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._in_line = False
        self._style = ""

    @property
    def is_interactive(self) -> bool:
        """Whether a person sits at both ends."""
        return sys.stdin.isatty() and self._out.is_terminal

    def note(self, text: str) -> None:
        """Say something about the conversation that is no part of it."""
        self._end_line()
        self._err.print(Text(text, style="dim"))

    def fail(self, text: str) -> None:
        """Say what went wrong."""
        self._end_line()
        self._err.print(Text(text, style="red"))

    def ask(self) -> str | None:
        """The next message; `None` when the person leaves (Ctrl-C or Ctrl-D)."""
        try:
            return input(self._prompt()).strip()
        except (EOFError, KeyboardInterrupt):
            self._out.print()
            return None

    def _prompt(self) -> str:
        """The prompt, which the line editor must know; what only colours it is marked as taking no room."""
        if self._out.color_system is None:
            return _PROMPT
        return f"\x01\x1b[1;36m\x02{_PROMPT.rstrip()}\x01\x1b[0m\x02 "

    def show_history(self, messages: Sequence[Message]) -> None:
        """The end of a resumed thread."""
        shown = [message for message in messages if message.role in (ROLE_USER, ROLE_ASSISTANT)]
        if len(shown) > _SHOWN_OF_HISTORY:
            self.note(f"… {len(shown) - _SHOWN_OF_HISTORY} earlier messages")
        for message in shown[-_SHOWN_OF_HISTORY:]:
            who = _PROMPT if message.role == ROLE_USER else " " * len(_PROMPT)
            self.note(f"{who}{printable(message.content)}")

    def show(self, event: Event | None) -> None:
        """One event of a run; `None` for a lost connection."""
        match event.WhichOneof("payload") if event is not None else "cut":
            case "cut":
                self.note("the connection is lost; taking up the answer again …")
            case "text_delta" if event is not None:
                self._write(event.text_delta.text, style="")
            case "reasoning_delta" if event is not None:
                self._write(event.reasoning_delta.text, style="dim italic")
            case "run_queued":
                self.note("waiting for the answer before this one …")
            case "tool_call_requested" if event is not None:
                asked = event.tool_call_requested
                arguments = printable(asked.arguments)[:_SHOWN_OF_ARGUMENTS]
                self.note(f"the model asks for the tool {printable(asked.name)} with {arguments or 'nothing'}")
            case "run_paused" if event is not None:
                self.note(f"the answer waits ({event.run_paused.status}); Ctrl-C gives it up")
            case "attempt_reset":
                self.note("the server was restarted; the answer begins again")
            case "run_ended" if event is not None:
                self._show_end(event.run_ended)

    def _show_end(self, end: RunEnded) -> None:
        self._end_line()
        if end.status == "FAILED":
            self.fail(f"The answer failed: {printable(end.message)} ({end.reason})")
        elif end.status != "COMPLETED":
            self.note(f"({end.status.lower()})")

    def _write(self, text: str, *, style: str) -> None:
        if style != self._style:
            self._end_line()
            self._style = style
        self._in_line = not text.endswith("\n")
        self._out.print(Text(printable(text), style=style), end="")

    def _end_line(self) -> None:
        if self._in_line:
            self._out.print()
            self._in_line = False


def printable(text: str) -> str:
    """The text without what could steer the terminal: models repeat what strangers wrote."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)
