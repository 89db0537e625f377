"""All that is stored of a person, as JSON."""

from datetime import datetime
from typing import Any, Final

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.documents import AsyncDocuments
from tektree.clock import Clock, read
from tektree.models.accounts import User
from tektree.models.connections import contact
from tektree.models.events import EventFilter

__all__ = ["AsyncExports"]

_PAGE: Final = 200


class AsyncExports:
    """Gathers what is stored of a user."""

    def __init__(self, backends: AsyncBackends, clock: Clock) -> None:
        self._clock = clock
        self._kept = backends.sessions
        self._profiles = backends.gamification
        self._ledger = backends.ledger
        self._subscriptions = backends.subscriptions
        self._log = backends.events
        self._content: dict[str, AsyncDocuments[Any] | None] = {
            "areas": backends.areas,
            "follows": backends.follows,
            "questions": backends.questions,
            "answers": backends.answers,
            "votes": backends.votes,
            "insights": backends.insights,
        }
        self._connections = backends.connections

    async def of(self, user: User) -> dict[str, Any]:
        """The account without hash and tokens, profile, subscription, sessions, ledger, events, and what the user made.

        Ledger and events are newest first. A session is shown with what it is stored under, which is of no use to log
        in. What was made is there when it was deleted, too; a storage without content has none of it. Connections are
        what the user sees of them: who blocks them is not told.
        """
        profile = await self._profiles.profile(user.id)
        subscription = await self._subscriptions.get(user.id)
        return {
            "user": user.model_dump(mode="json"),
            "profile": None if profile is None else profile.model_dump(mode="json"),
            "subscription": None if subscription is None else subscription.model_dump(mode="json"),
            "sessions": await self._sessions(user.uid),
            "ledger": await self._rows(user.id),
            "events": await self._events(user.uid),
            **{kind: await self._made(store, user.id) for kind, store in self._content.items() if store is not None},
            **await self._contacts(user.id),
        }

    async def _contacts(self, user_id: str) -> dict[str, Any]:
        if self._connections is None:
            return {}
        found: list[dict[str, Any]] = []
        after: str | None = None
        while records := await self._connections.of_user(user_id, after, _PAGE):
            seen = [contact(each, user_id) for each in records]
            found += [each.model_dump(mode="json") for each in seen if each.status != "none"]
            after = records[-1].id
        return {"connections": found}

    async def _made(self, store: AsyncDocuments[Any], user_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: str | None = None
        while records := await store.of_user(user_id, after, _PAGE):
            found += [record.model_dump(mode="json") for record in records]
            after = records[-1].id
        return found

    async def _sessions(self, uid: str) -> list[dict[str, Any]]:
        if self._kept is None:
            return []
        found = await self._kept.all(uid, read(self._clock))
        return [{"session_id": id, **session.model_dump(mode="json")} for id, session in found]

    async def _rows(self, user_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        seq: int | None = None
        while rows := await self._ledger.history(user_id, seq, _PAGE):
            found += [row.model_dump(mode="json") for row in rows]
            seq = rows[-1].seq
        before: tuple[datetime, str] | None = None
        while rows := await self._ledger.older(user_id, before, _PAGE):
            found += [row.model_dump(mode="json") for row in rows]
            before = rows[-1].timestamp, rows[-1].id
        return found

    async def _events(self, uid: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        before: tuple[datetime, str] | None = None
        while events := await self._log.newest(EventFilter(uid=uid), before, _PAGE):
            found += [event.model_dump(mode="json") for event in events]
            before = events[-1].timestamp, events[-1].id
        return found
