"""The names of Redis keys: the data model's, to the letter.

What callers supply is encoded part by part: ``%``, ``:``, braces and whatever else is not an ASCII letter, a digit or
one of ``_ . - ~ /`` becomes ``%XX``. So no two lists of parts give one key, no part reaches into the next one's place,
and no brace decides which slot of a cluster a key lives in. An ordinary uid, id or path stays as it is. An endpoint
that would be longer than 256 characters so is ``%~`` and its SHA-256.

What the data model has no key for is kept beside its key, in a companion ``{key}:suffix``. The braces make both live
in one slot, so one script may touch both.

>>> ratelimit("usr_abc123", "/api/v1/questions")
'ratelimit:usr_abc123:/api/v1/questions'
>>> ratelimit("ip:203.0.113.42", "/questions/{id}")
'ratelimit:ip%3A203.0.113.42:/questions/%7Bid%7D'
"""

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from tektree.errors import InvalidInput
from tektree.models.leaderboards import Board

__all__ = [
    "cache_question",
    "cache_user",
    "companion",
    "effects",
    "leaderboard",
    "quota",
    "ratelimit",
    "session",
    "stream",
    "user_sessions",
]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-~/]+")
_LONGEST: Final = 512
_LONGEST_ENDPOINT: Final = 65_536
_LONGEST_WRITTEN: Final = 256


def session(session_id: str) -> str:
    """Where a session's JSON is kept."""
    return f"session:{_part(session_id, 'session_id')}"


def user_sessions(user: str) -> str:
    """Where it is kept which of a user's sessions are open. A key of ours: the data model has none for it."""
    return f"user_sessions:{_part(user, 'user')}"


def ratelimit(user: str, endpoint: str) -> str:
    """Where the hits of a subject on an endpoint are counted."""
    written = _part(endpoint, "endpoint", _LONGEST_ENDPOINT)
    if len(written) > _LONGEST_WRITTEN:
        written = "%~" + sha256(endpoint.encode("utf-8", "surrogatepass")).hexdigest()
    return f"ratelimit:{_part(user, 'user')}:{written}"


def quota(user: str, quota_type: str, period: str) -> str:
    """Where a user's use of a quota in a period is counted."""
    return f"quota:{_part(user, 'user')}:{_part(quota_type, 'quota_type')}:{_part(period, 'period')}"


def cache_user(user_id: str) -> str:
    """Where a user is cached."""
    return f"cache:user:{_part(user_id, 'user_id')}"


def cache_question(question_id: str) -> str:
    """Where a question is cached."""
    return f"cache:question:{_part(question_id, 'question_id')}"


def leaderboard(board: Board) -> str:
    """Where a board's members and scores are kept."""
    if not isinstance(board, Board):
        raise InvalidInput("board", "must be a Board, such as Board.GLOBAL")
    return f"leaderboard:{board.name}"


def stream(partition: int) -> str:
    """Where the events of a partition stand in line. A key of ours: the data model has none for it.

    >>> stream(3)
    '{tek:evt:03}:s'
    """
    return f"{{tek:evt:{partition:02}}}:s"


@lru_cache(maxsize=1024)
def effects(partition: int, name: str) -> tuple[str, str]:
    """Where it is kept how far a handler got in the lines of a partition: in streams, and in events without one.

    >>> effects(3, "boards")
    ('{tek:evt:03}:n:boards', '{tek:evt:03}:once:boards')
    """
    its = _part(name, "name")
    return f"{{tek:evt:{partition:02}}}:n:{its}", f"{{tek:evt:{partition:02}}}:once:{its}"


def companion(key: str, suffix: str) -> str:
    """Where something of ours about ``key`` is kept.

    >>> companion("leaderboard:global", "ties")
    '{leaderboard:global}:ties'
    """
    return f"{{{key}}}:{suffix}"


def _part(value: str, field: str, longest: int = _LONGEST) -> str:
    if type(value) is not str or not 0 < len(value) <= longest:
        raise InvalidInput(field, f"must be a text of 1 to {longest} characters")
    return value if _PLAIN.fullmatch(value) else quote(value, safe="/", errors="surrogatepass")
