"""What is told of boards."""

from typing import Annotated

from pydantic import Field

from tektree.models.base import INT53, LISTED, SafeInt, Value
from tektree.models.gamification import Week
from tektree.models.payloads.base import Payload
from tektree.models.payloads.gamification import Subject

__all__ = [
    "LeaderboardOptedIn",
    "LeaderboardOptedOut",
    "LeaderboardPeriodClosed",
    "LeaderboardRankChanged",
    "Place",
]

BoardName = Annotated[str, Field(max_length=32, pattern=r"^(global|weekly:[0-9]{4}-W[0-5][0-9])$")]
Rank = Annotated[int, Field(ge=1, le=INT53)]


class _Board(Payload, by="gamification-service"):
    pass


class LeaderboardRankChanged(_Board, event="leaderboard.rank_changed"):
    """The user stands elsewhere on a board; null is: not among those that are told of."""

    user_id: Subject
    board: BoardName
    old_rank: Rank | None
    new_rank: Rank | None


class Place(Value):
    """A line of a board."""

    rank: Rank
    user_id: Subject
    score: SafeInt


class LeaderboardPeriodClosed(_Board, event="leaderboard.period_closed"):
    """A week is over, and these were first."""

    board: BoardName
    period: Week
    top: Annotated[tuple[Place, ...], Field(max_length=100), LISTED]


class _Setting(_Board, stream="user:{user_id}:settings"):
    user_id: Subject


class LeaderboardOptedOut(_Setting, event="leaderboard.opted_out"):
    """The user is on no board any more."""


class LeaderboardOptedIn(_Setting, event="leaderboard.opted_in"):
    """The user is on the boards again."""
