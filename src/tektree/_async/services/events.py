"""Events: handlers, a host's own events, the log, and what becomes of calls that fail."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeVar, get_args

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.services.consumers import AsyncConsumer
from tektree._async.services.content_recounts import AsyncContentRecounts, Told
from tektree._async.services.dead_letters import AsyncDeadLetters
from tektree._async.services.gamification import Progress, reporting
from tektree._async.services.handlers import AsyncHandlers, Handler, OnFailure, Registered, takes_two
from tektree._async.services.relay import AsyncRelay
from tektree._async.services.webhooks import AsyncWebhooks, Resolve, Send
from tektree._flavour import async_call, async_handler
from tektree.clock import Clock, read
from tektree.errors import ConfigurationError, IdempotencyConflict, InvalidInput, NotFound
from tektree.ids import Ids, event_id, fresh_id, is_hex_id, uid_of
from tektree.models.base import instant
from tektree.models.events import Event, EventFilter, EventTree, Timing
from tektree.models.pages import Page
from tektree.models.payloads import Kind, Payload
from tektree.models.recounts import Recount
from tektree.models.webhooks import Endpoint
from tektree.policy import Policy
from tektree.rules import cursors, inputs, reactions

__all__ = ["AsyncEvents"]

H = TypeVar("H", bound=Handler)

_PAGE: Final = 500
_MOST_CAUSES: Final = 64
_MOST_EFFECTS: Final = 1_000
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class AsyncEvents:
    """What happens, as events: told to handlers behind the commit, kept in the log.

    Every handler gets every event at least once, those of a stream in order. A repetition has the same ``event_id``.
    """

    def __init__(
        self,
        backends: AsyncBackends,
        handlers: AsyncHandlers,
        relay: AsyncRelay,
        recounts: AsyncContentRecounts,
        policy: Policy,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._log = backends.events
        self._profiles = backends.gamification
        self._handlers = handlers
        self._policy = policy
        self._rules = reactions.table(policy, handlers.catalog)
        self._recounts = recounts
        self._emits: dict[str, tuple[str, Sequence[str]]] = {}
        self._clock = clock
        self._ids = ids
        self._deliveries = backends.deliveries
        self._effects = backends.effects
        self._streams = backends.streams
        self._stream_effects = backends.stream_effects
        self.relay = relay
        """Finishes what was left, and tries again what failed."""
        self.dead_letters = AsyncDeadLetters(backends, handlers, relay, clock)
        """What handlers were called with too often."""

    # -- handlers -----------------------------------------------------------------------------------------------------

    def register(self, *payloads: type[Payload]) -> None:
        """Adds a host's own event types to the catalog. Again: nothing happens.

        Raises `ConfigurationError` for a declaration that does not hold together, or whose name is taken.
        """
        for payload in payloads:
            if not (isinstance(payload, type) and issubclass(payload, Payload) and payload.KIND):
                raise ConfigurationError("payload", "must be a subclass of tektree.catalog.Payload with event=…")
        self._add(payloads)

    def _add(self, payloads: Sequence[type[Payload]]) -> None:
        catalog = self._handlers.catalog
        new = [each for each in payloads if catalog.of(each) is None]
        if new:
            self._handlers.catalog = catalog.register(*new)

    def on(
        self,
        which: str | type[Payload],
        *,
        name: str | None = None,
        on_failure: OnFailure = "skip",
        attempts: int | None = None,
        emits: Sequence[str] = (),
    ) -> Callable[[H], H]:
        """Registers the function below it as a handler: of an event type, or of the class of a payload.

        ``"*"`` is all types, ``"xp.*"`` those that begin so.
        It is called behind the commit, in the thread or task of the command, with the `Event`; with a class, with the
        typed payload, and with the event too if it takes two arguments. What it raises does not reach the command: it
        is tried again by the relay, ``attempts`` times in all (None: as the policy says), and then stands in
        `dead_letters`. Until then its line, the event's stream, waits for this handler; after that ``"skip"`` goes on,
        ``"park"`` keeps the line waiting, ``"halt"`` all that the handler is to get. ``name`` is what deliveries are
        kept under, the function's own by default; it must be the same in every process. ``emits`` are types that the
        handler emits, so that circles are found at once.

        Raises `InvalidInput` for a type that is not in the catalog, `ConfigurationError` for what is no handler, a
        name that is taken, and a circle.
        """
        if on_failure not in get_args(OnFailure):
            raise InvalidInput("on_failure", "must be 'skip', 'park' or 'halt'")
        tries = self._policy.events.attempts if attempts is None else inputs.whole(attempts, "attempts", 1, 100)
        payload, pattern = self._meant(which)
        for each in emits:
            self._handlers.catalog.kind(each)

        def registered(function: H) -> H:
            async_handler(function)
            named = _name(function) if name is None else inputs.text(name, "name", 1, 128)
            if emits:
                reactions.check(self._rules, {**self._emits, named: (pattern, tuple(emits))})
            both = payload is not None and takes_two(function)
            self._handlers.register(Registered(named, (pattern,), function, payload, both, on_failure, tries))
            self._emits[named] = (pattern, tuple(emits))
            return function

        return registered

    def off(self, handler: str | Handler) -> None:
        """Takes a handler away again, by its name or as it was registered. Raises `InvalidInput`."""
        name = handler if isinstance(handler, str) else _name(handler)
        self._handlers.remove(name)
        self._emits.pop(name, None)

    def _meant(self, which: object) -> tuple[type[Payload] | None, str]:
        if isinstance(which, type) and issubclass(which, Payload):
            self._add([which])
            return which, self._handlers.catalog.kind(which).event_type
        if not isinstance(which, str):
            raise InvalidInput("event_type", "must be an event type, a pattern such as 'xp.*', or a payload's class")
        if which == "*" or (which.endswith(".*") and self._fitting(which)):
            return None, which
        return None, self._handlers.catalog.kind(which).event_type

    def _fitting(self, pattern: str) -> bool:
        return any(reactions.fits(pattern, kind.event_type) for kind in self._handlers.catalog)

    # -- beyond this process ------------------------------------------------------------------------------------------

    def consumer(
        self,
        group: str,
        handlers: Mapping[str, Handler] | None = None,
        *,
        name: str | None = None,
        keep: Literal["log", "streams"] = "log",
        start: Literal["first", "now"] = "first",
        limit: int = 200,
        timing: Timing | None = None,
    ) -> AsyncConsumer:
        """A consumer of the streams that a relay fills, where `Policy.events.sinks` names ``"streams"``.

        All consumers of a ``group`` share its events; ``name`` is this one's own, and the same when it starts again
        (None: one of its own for each call). ``handlers`` are called by type, as by `AsyncConsumer.on`; their names are
        the types. ``keep`` is where it is kept how far it got: beside the log, or beside the streams, which is quicker,
        and lost with them; then everything takes effect anew. ``start`` is where a new group begins: with the first
        event that there ever was, or with those from now on. ``limit`` is how many events of each partition are taken
        at once. Raises `InvalidInput`, and `ConfigurationError` where the storages keep no effects.
        """
        inputs.text(group, "group", 1, 60)
        if keep not in ("log", "streams"):
            raise InvalidInput("keep", "must be 'log' or 'streams'")
        if start not in ("first", "now"):
            raise InvalidInput("start", "must be 'first' or 'now'")
        effects = self._effects if keep == "log" else self._stream_effects
        if effects is None or self._streams is None:
            raise ConfigurationError("backends", "keep no effects or streams; give the bundle effects= and streams=")
        consumer = AsyncConsumer(
            group,
            fresh_id(self._ids) if name is None else inputs.text(name, "name", 1, 60),
            self._meant,
            self._streams,
            self._log,
            self._deliveries,
            effects,
            self._handlers,
            self._clock,
            self._ids,
            timedelta(seconds=self._policy.events.lease),
            inputs.whole(limit, "limit", 1, 10_000),
            start == "now",
            timing or Timing(),
        )
        for which, function in (handlers or {}).items():
            consumer.on(which, name=which)(function)
        return consumer

    def webhooks(
        self,
        endpoints: Sequence[Endpoint],
        send: Send,
        *,
        resolve: Resolve | None = None,
        private: bool = False,
        name: str = "webhooks",
    ) -> AsyncWebhooks:
        """A sink that sends events to endpoints, to be given to `AsyncRelay.add`. The policy names it in ``sinks``.

        ``send`` sends one request and gives back the status of the answer: any HTTP client will do. ``resolve`` gives
        the addresses of a host (None: as the system does). With ``private`` addresses of private networks and HTTP
        without TLS are allowed, for tests and for what stands next door. Raises `ConfigurationError`.
        """
        longest = self._policy.events.lease
        return AsyncWebhooks(endpoints, send, self._handlers, self._clock, resolve, private, name, longest)

    # -- telling ------------------------------------------------------------------------------------------------------

    async def emit(self, payload: Payload, *, key: str | None = None, at: datetime | None = None) -> Event:
        """Tells ``payload``: adds its event to the log and calls the handlers. Gives back the event.

        Once per ``key``: the same key again gives back the first event and calls nobody. ``at`` is when it happened,
        now if None. What a type's stream is named after is numbered in it. The class of a payload is added to the
        catalog if it is not there. Raises `InvalidInput` for a payload that is none, is too large, or is told by the
        package alone; `IdempotencyConflict` when the key was used with another payload.
        """
        kind = self._handlers.catalog.of(type(payload)) or self._declared(payload)
        if kind.by in reactions.OWN:
            raise InvalidInput("payload", f"is told by the package alone, as {kind.event_type}")
        named = None if key is None else inputs.key(key)
        now = read(self._clock)
        happened = now if at is None else instant(at)
        id = fresh_id(self._ids) if named is None else event_id("emit", kind.event_type, named)[4:]
        stored = await self._handlers.tell(payload, id, happened, now)
        if named is not None and stored.payload != self._handlers.catalog.encode(payload):
            raise IdempotencyConflict(named, ("payload",))
        return stored

    def _declared(self, payload: object) -> Kind:
        if not isinstance(payload, Payload) or payload.KIND is None:
            raise InvalidInput("payload", "must be of a class that declares an event: class …(Payload, event=…, by=…)")
        self._add([type(payload)])
        return payload.KIND

    # -- reading ------------------------------------------------------------------------------------------------------

    async def log(
        self,
        user_id: str | None = None,
        event_type: str | None = None,
        correlation_id: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Event]:
        """What happened, newest first: all of it, or what is about a user (by id or uid), of a type, of a correlation.

        ``limit`` is 1 to 100; ``after`` is the ``next`` of the page before. Raises `InvalidInput`, `InvalidCursor`,
        `NotFound` for the id of a user who is not enrolled.
        """
        inputs.whole(limit, "limit", 1, 100)
        which = await self._which(user_id, event_type, correlation_id)
        scope = ("events", *[value or "" for value in which])
        before = None
        if after is not None:
            at, tie = cursors.position(after, *scope)
            before = (_BEGINNING + at * _MILLISECOND, tie)
        found = await self._log.newest(which, before, limit + 1)
        items = tuple(found[:limit])
        if len(found) <= limit:
            return Page(items, None)
        last = items[-1]
        return Page(items, cursors.cursor((last.timestamp - _BEGINNING) // _MILLISECOND, *scope, tie=last.id))

    async def get(self, event_id: str) -> Event:
        """The event of that id. Raises `InvalidInput`, `NotFound`."""
        found = await self._log.event(inputs.event_id(event_id))
        if found is None:
            raise NotFound("event", event_id)
        return found

    async def replay(
        self,
        handler: Handler,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        which: str | type[Payload] | None = None,
        user_id: str | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Calls ``handler`` with what the log holds, in the order of its recording; gives back with how many.

        ``since`` and ``until`` bound when they were recorded: from ``since`` on, before ``until``, which is now if
        None. ``which`` and what the handler is called with are as in `on`. Nothing else is called, nothing written;
        what the handler raises ends the replay. ``progress`` is told after every few hundred how many are done, and of
        about how many. Memory does not grow with their number. Raises `InvalidInput`, `NotFound`.
        """
        reporting(progress)
        async_handler(handler)
        payload, pattern = (None, "*") if which is None else self._meant(which)
        begin = "" if since is None else (instant(since, "since") - _MILLISECOND).isoformat()
        end = (read(self._clock) + _MILLISECOND if until is None else instant(until, "until")).isoformat()
        exact = pattern if pattern != "*" and not pattern.endswith(".*") else None
        filters = await self._which(user_id, exact, None)
        both = payload is not None and takes_two(handler)
        total = 0 if progress is None else await self._log.count()
        done = 0
        while events := await self._log.recorded(filters, begin, _PAGE):
            for event in events:
                begin = event.metadata["recorded_at"]
                if begin >= end:
                    return done
                if exact is None and not reactions.fits(pattern, event.event_type):
                    continue
                if payload is None:
                    await async_call(handler, event)
                elif both:
                    await async_call(handler, self._handlers.catalog.decode(event), event)
                else:
                    await async_call(handler, self._handlers.catalog.decode(event))
                done += 1
            if progress is not None:
                await async_call(progress, done, max(done, total))
        return done

    async def recount(self, mend: bool = False, progress: Told | None = None) -> Recount:
        """Looks whether what is counted on content is what there is, and what follows from elsewhere what it should be.

        That is followers and content of areas, their paths and breadcrumbs; answers and votes of questions, and which
        answer is accepted; votes of answers, and whether one is the accepted one; likes of insights; slugs. Nothing is
        written, unless ``mend`` is set: then each is set right as it is found, in the order areas, questions, answers,
        insights. Views and comments are proven by nothing.

        Changes and other recounts may go on meanwhile, and all come to one end; what is being changed at this very
        moment may show as wrong. ``progress`` is told after every few hundred of which kind how many are done. Memory
        does not grow with their number. Raises `InvalidInput`.
        """
        return await self._recounts.recount(mend, progress)

    async def explain(self, event_id: str) -> EventTree:
        """The tree of what led to an event and what followed from it, from its first cause down; ``print`` draws it.

        Of more than a thousand effects the first are given. Raises `InvalidInput`, `NotFound`.
        """
        asked = await self.get(event_id)
        root = asked
        for _ in range(_MOST_CAUSES):
            cause = root.metadata.get("causation_id")
            above = await self._log.event(cause) if isinstance(cause, str) else None
            if above is None or above.event_id == asked.event_id:
                break
            root = above
        effects: dict[str, list[Event]] = {}
        seen, level = {root.event_id}, [root.event_id]
        while level and len(seen) < _MOST_EFFECTS:
            found = await self._log.effects(level, _MOST_EFFECTS - len(seen))
            level = [event.event_id for event in found if event.event_id not in seen]
            for event in found:
                if event.event_id not in seen:
                    seen.add(event.event_id)
                    effects.setdefault(event.metadata["causation_id"], []).append(event)
        return _tree(root, effects, asked.event_id)

    async def _which(self, user_id: str | None, event_type: str | None, correlation_id: str | None) -> EventFilter:
        if event_type is not None:
            event_type = self._handlers.catalog.kind(event_type).event_type
        if correlation_id is not None:
            inputs.text(correlation_id, "correlation_id", 1, 128)
        if user_id is None or not is_hex_id(user_id):
            return EventFilter(None if user_id is None else uid_of(user_id, "user_id"), event_type, correlation_id)
        profile = await self._profiles.profile(user_id)
        if profile is None:
            raise NotFound("profile", user_id)
        return EventFilter(profile.uid or user_id, event_type, correlation_id)


def _tree(event: Event, effects: dict[str, list[Event]], asked: str) -> EventTree:
    below = tuple([_tree(each, effects, asked) for each in effects.get(event.event_id, ())])
    return EventTree(event, below, event.event_id == asked)


def _name(function: Handler) -> str:
    """The name that a function has by itself."""
    where = getattr(function, "__module__", None) or type(function).__module__
    what = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{where}.{what}"[:128]
