"""What the storage of every kind of content promises of searches by words, check by check.

A text index knows words in their forms and passes over the most common ones; so of what was found by one, only whole
words that mean something are asked for.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, cast

from tektree._async.conformance.documents import Kind
from tektree._async.conformance.samples import NOON, Check, fails, later, same
from tektree._async.ports.bundles import AsyncBackends
from tektree.ids import derived_id
from tektree.models.pages import Position, Slice
from tektree.models.visibility import Sight
from tektree.rules import visibility
from tektree.rules.visibility import Viewer

__all__ = ["searches_of"]

_ANYBODY: Final = visibility.sight(visibility.ANYBODY, NOON)
_ADMIN: Final = visibility.sight(Viewer(derived_id("user", "admin"), "admin"), NOON)

_Cases = tuple[tuple[tuple[str, ...], list[str]], ...]

_WHOLE: Final[_Cases] = (
    (("event",), ["Event Sourcing", "Events"]),
    (("sourcing", "ledgers"), ["Event Sourcing"]),
    (("ünïcode",), ["Events"]),
    (("sources",), ["Events"]),
    (("event", "nothing"), []),
    (("vent",), []),
    ((".*",), []),
    (("e.ent",), []),
    (("😀",), ["C++ 😀 prevent"]),
)
"""Words as `terms` gives them, and some as it never does; and the titles of what has them."""
_BEGUN: Final[_Cases] = (
    (("sourc", "ledg"), ["Event Sourcing"]),
    (("event", "sour"), ["Event Sourcing", "Events"]),
    (("ünï",), ["Events"]),
    (("b",), ["C++ 😀 prevent"]),
    (("e", "ev", "eve"), ["Event Sourcing", "Events"]),
    (("οδοσ",), ["ΟΔΟΣ"]),
)


class _Searched(Protocol):
    async def search(self, words: tuple[str, ...], sight: Sight, before: Position | None, limit: int) -> Slice[Any]: ...


def _searched(kind: Kind, backends: AsyncBackends) -> _Searched:
    return cast(_Searched, kind.store(backends))


def _titles(found: Slice[Any]) -> list[str]:
    return [each.title for each in found.items]


async def are_found_by_words(backends: AsyncBackends, kind: Kind, field: str, dated: str) -> None:
    """``search`` finds what has, in title or text, a word for each of the words, in any case, newest first.

    Where it says ``by`` words, each of them may be the beginning of one.
    """
    for at, (title, text) in enumerate(
        (
            ("Event Sourcing", "of Ledgers"),
            ("Events", "and Ünïcode.sources"),
            ("C++ 😀 prevent", "a.b*c"),
            ("ΟΔΟΣ", "x"),
        )
    ):
        await kind.store(backends).insert(kind.make(title, **{dated: later(seconds=-at), field: text}), [])
    await kind.store(backends).insert(kind.make("Hidden event", visibility="private"), [])
    store = _searched(kind, backends)
    by = (await store.search(("event",), _ANYBODY, None, 9)).by
    if by not in {"text", "words"}:
        fails(f"a search says by {by!r}; it must be 'text' or 'words'")
    for words, expected in (*_WHOLE, *(_BEGUN if by == "words" else ())):
        found = await store.search(words, _ANYBODY, None, 99)
        same(f"by {words}", (_titles(found), found.by), (expected, by))


async def are_found_page_by_page(backends: AsyncBackends, kind: Kind, field: str, dated: str) -> None:
    """``search`` gives them of one instant by id, in pages without a gap, and full of what is seen."""
    shown = [kind.make(f"Shown {at}", created_at=later(seconds=at // 3), **{field: "common ground"}) for at in range(7)]
    hidden = [
        kind.make(f"Hidden {at}", visibility="private", **{dated: later(seconds=-at), field: "common ground"})
        for at in range(7)
    ]
    for each in (*shown, *hidden):
        await kind.store(backends).insert(each, [])
    expected = [each.title for each in sorted(shown, key=lambda each: (getattr(each, dated), each.id), reverse=True)]
    store = _searched(kind, backends)
    for size in (1, 3, 7):
        found: list[str] = []
        before: Position | None = None
        for _ in range(8):
            page = await store.search(("ground", "common"), _ANYBODY, before, size)
            found += _titles(page)
            before = page.last
            if before is None:
                break
            same("a page with others behind it", len(page.items), size)
        same(f"pages of {size}", found, expected)
    same("of an admin", len((await store.search(("common",), _ADMIN, None, 99)).items), 14)


async def are_found_as_they_are_now(backends: AsyncBackends, kind: Kind, field: str, dated: str) -> None:
    """``search`` finds by the words that stand there now: after a swap, after counting, and nothing that is deleted."""
    store, found = kind.store(backends), _searched(kind, backends)
    record = kind.make("Before", **{field: "same words"})
    old = await store.insert(record, [])
    new = await store.swap(old, record.evolve(title="After"))
    await store.counted(record.id, 0, **dict.fromkeys(kind.counts, 7))
    for words, expected in (("before",), []), (("after", "same"), ["After"]), (("words",), ["After"]):
        same(f"by {words}", _titles(await found.search(words, _ANYBODY, None, 9)), expected)
    gone = await store.swap(new, new.record.evolve(deleted_at=NOON))
    same("once it is deleted", _titles(await found.search(("after",), _ADMIN, None, 9)), [])
    await store.swap(gone, record)
    for words, expected in (("before",), ["Before"]), (("after",), []):
        same(f"as it was, by {words}", _titles(await found.search(words, _ANYBODY, None, 9)), expected)


def searches_of(kind: Kind, field: str, dated: str = "created_at") -> tuple[Check, ...]:
    """The checks of one kind, whose text beside the title is in ``field``, and which is sorted by ``dated``."""
    promises = (are_found_by_words, are_found_page_by_page, are_found_as_they_are_now)
    return tuple([_named(kind, field, dated, promise) for promise in promises])


def _named(
    kind: Kind, field: str, dated: str, promise: Callable[[AsyncBackends, Kind, str, str], Awaitable[None]]
) -> Check:
    async def check(backends: AsyncBackends) -> None:
        await promise(backends, kind, field, dated)

    check.__name__ = check.__qualname__ = f"{kind.name}_{promise.__name__}"
    check.__doc__ = promise.__doc__
    return check
