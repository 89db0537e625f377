"""The Lua scripts that Redis runs, one file each: what happens in one of them happens as one step.

They use the server's clock, and touch only keys that are passed as ``KEYS``.
"""

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

__all__ = ["Script", "script"]


class Script(NamedTuple):
    """A script and the digest that a server knows it by."""

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script of a file, read once."""
    text = files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
