"""Hypothesis strategies for events, by the catalog that declares them.

>>> from hypothesis import given
>>> @given(events("xp.awarded"))
... def a_handler_takes_it(event): ...

Raises `ConfigurationError` when it is imported without Hypothesis, which ``pip install "tektree[testing]"`` brings.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tektree.errors import ConfigurationError, InvalidInput
from tektree.models.base import INT53
from tektree.models.events import Event

if TYPE_CHECKING:
    from tektree.models.payloads import Payload
    from tektree.rules.catalog import Catalog

try:
    from hypothesis import assume
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError as error:
    raise ConfigurationError("tektree.testing", 'strategies need Hypothesis: pip install "tektree[testing]"') from error

__all__ = ["events", "payloads"]

P = TypeVar("P", bound="Payload")

_OPAQUE: Final = st.text("abcdef0123456789_", max_size=32)


def payloads(event_type: "str | type[Payload]", catalog: "Catalog | None" = None) -> "SearchStrategy[Payload]":
    """Sound payloads of a type, or of a class of payloads: of our own catalog, or of a host's.

    Raises `InvalidInput` for a type that is not in the catalog.
    """
    from tektree.testing.strategies import records

    catalog = catalog or _ours()
    return records(catalog.kind(event_type).payload).filter(_fits(catalog))


def events(event_type: "str | type[Payload] | None" = None, catalog: "Catalog | None" = None) -> SearchStrategy[Event]:
    """Events as they are told: of one type, or of any."""
    catalog = catalog or _ours()
    types = [kind.event_type for kind in catalog] if event_type is None else [catalog.kind(event_type).event_type]
    return _events(catalog, types)


def _ours() -> "Catalog":
    from tektree.rules.catalog import CATALOG

    return CATALOG


def _fits(catalog: "Catalog") -> "Callable[[Payload], bool]":
    """Whether it can be told: drawn at random, a map may hold a key that is named like something personal."""

    def told(payload: "Payload") -> bool:
        try:
            catalog.encode(payload)
        except InvalidInput:
            return False
        return True

    return told


@st.composite
def _events(draw: DrawFn, catalog: "Catalog", types: list[str]) -> Event:
    from tektree.rules.catalog import stream_of
    from tektree.testing.strategies import ids, instants, uids

    payload = draw(payloads(draw(st.sampled_from(types)), catalog))
    id, at = draw(ids()), draw(instants())
    metadata: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "user_id": uids(),
                "causation_id": ids().map("evt_{}".format),
                "traceparent": st.tuples(ids(), ids()).map(lambda two: f"00-{two[0]}{two[1][:8]}-{two[1][:16]}-01"),
                "recorded_at": instants(at).map(lambda later: later.isoformat()),
                "idempotency_key": _OPAQUE,
                "replay": st.booleans(),
            },
        )
    )
    if stream_of(payload) is not None:
        metadata["seq"] = draw(st.integers(1, INT53))
    named = st.fixed_dictionaries(dict.fromkeys(("trace_id", "correlation_id", "producer_id"), _OPAQUE))
    try:
        return catalog.event(payload, id, at, metadata=metadata, **draw(named))
    except InvalidInput:  # the stream of a host's type may be named by a text of any length
        assume(False)
        raise
