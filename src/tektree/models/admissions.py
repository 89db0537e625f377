"""Admission: whether a request may go on, by its session, its limit and its quota."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tektree.models.accounts import Actor
from tektree.models.quotas import Counter, Taken, Usage
from tektree.models.rate_limits import Decision, Fill
from tektree.models.sessions import Session

__all__ = ["Admission", "Admitted", "Request", "Tariff", "Terms"]


class Admission(NamedTuple):
    """A request that may go on: who asks, what the limit says, and the quota after its units were taken.

    ``usage`` is None where no quota was asked for.
    """

    actor: Actor
    decision: Decision
    usage: Usage | None = None


class Terms(NamedTuple):
    """What holds for a tier: at most ``limit`` hits (1 or more) in any ``window`` of seconds, and at most ``quota``
    units in a period. None is no limit. ``kept`` is for how many seconds hits are kept, as of a `Bucket`.
    """

    limit: int | None
    window: int
    quota: int | None = None
    kept: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Tariff:
    """The terms of each tier for which a request can be decided in one step.

    Equal to itself alone: many requests have the same one, so what is made of it can be kept under it.
    """

    terms: Mapping[str, Terms]


class Request(NamedTuple):
    """What is asked for in one step: a session, a hit on an endpoint and, with a ``counter``, ``n`` units of a quota.

    ``percent`` is the threshold of the quota.
    """

    uid: str
    session_id: str
    endpoint: str
    tariff: Tariff
    counter: Counter | None
    n: int
    percent: int


class Admitted(NamedTuple):
    """What came of it. A quota that was refused comes without a ``fill``: the limit was not looked at.

    ``fill`` and ``taken`` are None too where nothing was to be counted. When either is a refusal, nothing was counted
    at all.
    """

    session: Session
    fill: Fill | None
    taken: Taken | None
