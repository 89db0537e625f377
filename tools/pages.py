"""What tools that write a page of the reference have in common."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["keep"]

_REFERENCE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"


def keep(name: str, text: str, arguments: Sequence[str] | None = None) -> int:
    """The command that writes ``text`` as the page of that name, or with ``--check`` only says whether it is there.

    0: the page is true. 1: it is not.
    """
    parser = argparse.ArgumentParser(description=f"Write docs/reference/{name}, or check it.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is not true")
    page = _REFERENCE / name
    if not parser.parse_args(arguments).check:
        page.write_text(text, encoding="utf-8", newline="\n")
    is_true = page.exists() and page.read_text(encoding="utf-8") == text
    print("the page is true" if is_true else f"stale: {page}")
    return 0 if is_true else 1
