"""Votes: how somebody finds a question, an answer or an insight."""

from typing import Literal, NamedTuple

from tektree.models.base import HexId, Instant, Record, Uid

__all__ = ["Tally", "Vote", "Votable"]

Votable = Literal["question", "answer", "insight"]
"""What can be voted on. A vote for an insight is a like."""


class Vote(Record):
    """One user's vote on one thing: 1 for it, -1 against it, 0 when it was taken back."""

    id: HexId
    target_type: Votable
    target_id: HexId
    user_id: HexId
    uid: Uid
    value: Literal[-1, 0, 1]
    at: Instant
    """Since when it is so."""
    lapsed: bool = False
    """Whether it counts for nothing, because what it is on was deleted. It counts again when that is restored."""


class Tally(NamedTuple):
    """How many votes a thing has for it, and how many against it."""

    up: int
    down: int
