"""What the command line writes on: styles on a terminal, plain text everywhere else.

Colours and bars are rich's, where the extra ``cli`` is installed, the stream is a terminal and ``NO_COLOR`` is not
set. Where the stream's encoding lacks a glyph, all of them have a stand-in of ASCII.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TextIO

__all__ = ["Progress", "Screen", "shown"]

_STAND_INS: Final = {"■": "#", "❄": "*", "·": ".", "–": "-", "█": "#", "▌": "="}
_NARROWEST: Final = 60
_WIDEST: Final = 100

Piece = str | tuple[str, str]
"""A text, or a text and its style in the words of rich, such as ``bold green``."""


class Screen:
    """Writes lines to ``stream``, which is stdout unless another is given."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self.width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))
        self._encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._fancy = _can(self._encoding, "".join(_STAND_INS))
        self._styled = _styled(self._stream)

    def line(self, *pieces: Piece) -> None:
        """One line, made of ``pieces``."""
        parts = [(piece, "") if isinstance(piece, str) else piece for piece in pieces]
        parts = [(self.glyphs(text), style) for text, style in parts]
        if self._styled is not None:
            self._styled(parts)
        else:
            print("".join([text for text, _ in parts]).rstrip(), file=self._stream)

    def title(self, text: str) -> None:
        """A line that begins something new."""
        self.line()
        self.line((text, "bold"))

    def told(self, first: str, text: str, style: str = "") -> None:
        """A text after a label of its own; what does not fit goes on under the text, not under the label."""
        lines = textwrap.wrap(text, self.width - len(first), break_long_words=False, break_on_hyphens=False)
        for at, line in enumerate(lines):
            self.line((first if at == 0 else " " * len(first), "cyan"), (line, style))

    def glyphs(self, text: str) -> str:
        """``text`` as this stream can write it."""
        if not self._fancy:
            for glyph, stand_in in _STAND_INS.items():
                text = text.replace(glyph, stand_in)
        return text.encode(self._encoding, "replace").decode(self._encoding, "replace")


class Progress:
    """A bar on stderr while it is entered, on a terminal; otherwise nothing. ``total`` None: it is not known."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar = _rich_bar(label) if _terminal(sys.stderr) else None
        self._last = ""

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._last:
            print("\r" + " " * len(self._last) + "\r", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """``done`` of ``total``; ``note`` says more."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, note=note)
        elif _terminal(sys.stderr):
            percent = f" {100 * done // total} %" if total else ""
            said = f"{self._label}{percent} {note}".rstrip()
            if said != self._last:
                print("\r" + said.ljust(len(self._last)), end="", file=sys.stderr, flush=True)
                self._last = said


def shown(text: str) -> str:
    """A text from outside, without what would move the cursor or break the line."""
    return "".join([char if char.isprintable() else ascii(char)[1:-1] for char in text])


def _can(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _styled(stream: TextIO | None) -> Callable[[list[tuple[str, str]]], None] | None:
    """How styled pieces are written; None when they are not."""
    if not _terminal(stream) or os.environ.get("NO_COLOR"):
        return None
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return None
    console = Console(file=stream, highlight=False)
    return lambda pieces: console.print(Text.assemble(*pieces), soft_wrap=True)


def _rich_bar(label: str) -> Any:
    try:
        from rich import progress
        from rich.console import Console
    except ImportError:
        return None
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeRemainingColumn(),
    )
    bar = progress.Progress(*columns, console=Console(file=sys.stderr), transient=True)
    bar.add_task(label, total=None, note="")
    return bar
