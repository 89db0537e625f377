"""What every port promises, as plain functions: each takes empty storages, and returns when they keep the promise.

The functions' names are sentences. `CHECKS` take the storages alone, `RACES` also a way to make calls at the same time.
`OPTIONAL` has both for each port that storages may leave out; under ``sinks`` is what a relay with sinks needs: the
marks of the log, what of deliveries is held, and leases.
"""

from collections.abc import Mapping
from typing import Final

from tektree._async.conformance import (
    accounts,
    answers,
    areas,
    caches,
    connections,
    deliveries,
    events,
    filings,
    gamification,
    insights,
    leaderboards,
    ledger,
    questions,
    quotas,
    rate_limits,
    sessions,
    streams,
    subscriptions,
    unbroken,
    votes,
)
from tektree._async.conformance.samples import Check, Race, Together
from tektree._async.ports.bundles import AsyncBackends

__all__ = ["AsyncBackends", "CHECKS", "OPTIONAL", "Check", "RACES", "Race", "Together"]

CHECKS: Final[tuple[Check, ...]] = (
    *gamification.CHECKS,
    *ledger.CHECKS,
    *leaderboards.CHECKS,
    *events.CHECKS,
    *deliveries.CHECKS,
    *accounts.CHECKS,
)
RACES: Final[tuple[Race, ...]] = (
    *gamification.RACES,
    *ledger.RACES,
    *leaderboards.RACES,
    *events.RACES,
    *deliveries.RACES,
    *accounts.RACES,
)
OPTIONAL: Final[Mapping[str, tuple[tuple[Check, ...], tuple[Race, ...]]]] = {
    "rate_limits": (rate_limits.CHECKS, rate_limits.RACES),
    "quotas": (quotas.CHECKS, quotas.RACES),
    "sessions": (sessions.CHECKS, sessions.RACES),
    "caches": (caches.CHECKS, caches.RACES),
    "subscriptions": (subscriptions.CHECKS, subscriptions.RACES),
    "areas": (areas.CHECKS, areas.RACES),
    "questions": (questions.CHECKS, questions.RACES),
    "answers": (answers.CHECKS, answers.RACES),
    "votes": (votes.CHECKS, votes.RACES),
    "connections": (connections.CHECKS, connections.RACES),
    "insights": (insights.CHECKS, insights.RACES),
    "filings": (filings.CHECKS, ()),
    "unbroken": (unbroken.CHECKS, unbroken.RACES),
    "sinks": streams.SINKS,
    "streams": streams.STREAMS,
    "effects": streams.EFFECTS,
}
