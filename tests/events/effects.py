"""What a handler does, keyed by the event's id as ours ask hosts to; and what must hold of it and of storage."""

import asyncio
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from tektree import TekTree
from tektree.models.events import Event, EventFilter
from tektree.models.leaderboards import Board
from tektree.testing import ManualClock

__all__ = ["EFFECTS", "Effects", "complaints", "register", "value"]


class Effects:
    """The XP that a handler has heard of. An event that it knows has no second effect."""

    def __init__(self) -> None:
        self.xp: dict[str, int] = {}
        self.known: dict[str, Event] = {}
        self.repeated = 0

    def __call__(self, event: Event) -> None:
        if event.event_id in self.known:
            self.repeated += 1
            return
        self.known[event.event_id] = event
        if event.event_type in {"xp.awarded", "xp.revoked"}:
            uid = event.payload["user_id"]
            self.xp[uid] = self.xp.get(uid, 0) + event.payload["amount"]

    def disorder(self) -> Iterator[str]:
        """Where something was heard of after what stands behind it in its stream."""
        last: dict[str, int] = {}
        for event in self.known.values():
            stream = event.metadata.get("stream")
            if stream is not None:
                number = event.metadata["seq"]
                if number != last.get(stream, 0) + 1:
                    yield f"number {number} of {stream} was heard of after {last.get(stream, 0)}"
                last[stream] = number


EFFECTS = Effects()
"""Those of the handler that the command line loads."""


def register(tek: TekTree) -> None:
    """For ``tektree relay --load``."""
    tek.events.on("*", name="effects")(lambda event: EFFECTS(event))


def value(found: Any) -> Any:
    """What a call of either flavour gives."""
    return asyncio.run(_awaited(found)) if inspect.isawaitable(found) else found


async def _awaited(found: Any) -> Any:
    return await found


def complaints(tek: Any, store: Any, users: Sequence[str], effects: Effects | None = None) -> Iterator[str]:
    """What is wrong when nobody is at work any more. ``tek`` and ``store`` are of either flavour."""
    log = list(value(store.events.newest(EventFilter(), None, 100_000)))
    for user_id in users:
        yield from _of_user(tek, store, user_id, effects)
    if value(store.ledger.unfinished(9)) or value(store.gamification.unfinished(9)):
        yield "a document still carries events"
    if effects is not None:
        yield from effects.disorder()
        if lost := {event.event_id for event in log} - set(effects.known):
            yield f"{len(lost)} events never reached the handler"
        if invented := set(effects.known) - {event.event_id for event in log}:
            yield f"{len(invented)} events were handled that are not in the log"
        if value(store.deliveries.waiting()):
            yield "a delivery is still waiting"
        if value(store.events.posted("", ManualClock().now.replace(year=2100), 9)):
            yield "an event is still marked"


def _of_user(tek: Any, store: Any, user_id: str, effects: Effects | None) -> Iterator[str]:
    profile = value(store.gamification.profile(user_id))
    rows = list(value(store.ledger.rows(user_id, 0, 100_000)))
    total = sum([row.amount for row in rows])
    if profile.total_xp != total:
        yield f"{profile.uid} has {profile.total_xp} XP, the rows say {total}"
    if effects is not None and effects.xp.get(profile.uid, 0) != total:
        yield f"the handler heard of {effects.xp.get(profile.uid, 0)} XP of {profile.uid}, the rows say {total}"
    told = {"xp": sum([row.told for row in rows]), "settings": profile.settings_told}
    for name, expected in told.items():
        stream = list(value(store.events.stream(f"user:{profile.uid}:{name}", 0, 100_000)))
        numbers = [event.metadata["seq"] for event in stream]
        if numbers != list(range(1, expected + 1)):
            yield f"the log has {numbers} of {name} of {profile.uid}, {expected} were told"
        named = [each.payload["transaction_id"] for each in stream if each.event_type in {"xp.awarded", "xp.revoked"}]
        if name == "xp" and named != [row.transaction_id for row in rows]:
            yield f"the log does not tell the rows of {profile.uid} one by one"
    hidden = profile.leaderboard_opt_out or not total
    standing = value(tek.leaderboards.rank(Board.GLOBAL, profile.uid))
    if (standing.score if standing else None) != (None if hidden else total):
        yield f"the board shows {standing} of {profile.uid}, not {total}"
    if not value(tek.gamification.verify(user_id)):
        yield f"verify says no of {profile.uid}"
