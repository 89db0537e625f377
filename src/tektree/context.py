"""What led to what is done now: the one reader of the ambient context.

A host says so once, around whatever it calls, and every event that is told meanwhile carries it::

    with within(correlation_id=request_id, traceparent=request.headers.get("traceparent"), actor="usr_ada"):
        tek.gamification.award(user_id, "answer_posted")

The context belongs to the thread or the task, as context variables do. Where OpenTelemetry is installed and a span is
active, its trace is taken when none is given.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Final

from tektree import tracing
from tektree.errors import InvalidInput
from tektree.ids import uid_of
from tektree.models.base import plain
from tektree.models.events import NOTHING, Context, Event

__all__ = ["NOTHING", "Context", "answer", "current", "depth", "leave", "within"]

_Ambient = Context | tuple[Event, str | None]
"""A context, or the event that is being answered, with the rule that answers it: its context is made when asked for."""

_CURRENT: Final[ContextVar[_Ambient]] = ContextVar("tektree_context", default=NOTHING)
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def current() -> Context:
    """What led to what is done now; an empty one when nobody said."""
    found = _CURRENT.get()
    if found is NOTHING and not tracing.INSTALLED:
        return NOTHING
    if type(found) is tuple:
        found = _answering(*found)
    assert isinstance(found, Context)
    if tracing.INSTALLED and not found.trace_id and (trace := tracing.current()) is not None:
        return replace(found, trace_id=trace[0], traceparent=trace[1])
    return found


def depth(event: Event) -> int:
    """How many events caused one another up to the answer to ``event``."""
    hops = event.metadata.get("hops", 0)
    return hops + 1 if type(hops) is int else 1


def _answering(event: Event, rule_id: str | None) -> Context:
    """Of its correlation and trace, one step deeper."""
    metadata = event.metadata
    return Context(
        event.correlation_id or event.event_id,
        event.event_id,
        event.trace_id,
        metadata.get("traceparent"),
        metadata.get("tracestate"),
        metadata.get("user_id"),
        rule_id,
        depth(event),
    )


@contextmanager
def within(
    *,
    correlation_id: str | None = None,
    causation_id: str | None = None,
    trace_id: str | None = None,
    traceparent: str | None = None,
    tracestate: str | None = None,
    actor: str | None = None,
) -> Iterator[Context]:
    """Everything told inside carries these; what is left out stays as it is outside.

    ``traceparent`` is W3C's, and gives the ``trace_id`` where none is passed; a malformed one from outside is an
    `InvalidInput`. ``actor`` is the uid of who acts. Ids are texts of at most 128 characters.
    """
    changes: dict[str, str] = {}
    for name, value, most in (
        ("correlation_id", correlation_id, 128),
        ("causation_id", causation_id, 64),
        ("trace_id", trace_id, 128),
        ("tracestate", tracestate, 512),
    ):
        if value is not None:
            changes[name] = _text(name, value, most)
    if traceparent is not None:
        found = _TRACEPARENT.fullmatch(traceparent) if type(traceparent) is str and len(traceparent) < 60 else None
        if found is None:
            raise InvalidInput("traceparent", "must be W3C's, such as 00-<32 hex digits>-<16 hex digits>-01")
        changes["traceparent"] = traceparent
        changes.setdefault("trace_id", found[1])
    if actor is not None:
        changes["actor"] = uid_of(actor, "actor")
    context = replace(current(), **changes)  # type: ignore[arg-type]
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)


def answer(event: Event, rule_id: str | None = None) -> Token[_Ambient]:
    """From here on, until `leave`, everything that is told is an answer to ``event``."""
    return _CURRENT.set((event, rule_id))


def leave(token: Token[_Ambient]) -> None:
    """The answer is over."""
    _CURRENT.reset(token)


def _text(field: str, value: object, most: int) -> str:
    if type(value) is not str or not 0 < len(value) <= most or not plain(value):
        raise InvalidInput(field, f"must be a text of 1 to {most} characters")
    return value
