"""What reading content in memory costs beside how much there is: it must hardly depend on it. Medians, in turns.

Run it: ``python tools/bench/content.py``. There are so many questions of 50 words each, in ten areas, made one second
after the other. The ratio is to the smallest size; for pages of all and of an area, and by a slug, it should stay below
2. Searches read an index; the last table is a look at every question instead. ``--most 10000`` stops earlier.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from measuring import Work, arguments, medians, show

from tektree import TekTree
from tektree._sync.sdk import memory_backends
from tektree.ids import derived_id
from tektree.models.areas import Area
from tektree.models.questions import Question
from tektree.models.words import words

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
AREAS = [derived_id("area", str(at)) for at in range(10)]
VOCABULARY = 20_000
RARE = "needle"
SLOW = "a look at everything instead"


def main() -> None:
    """Prints the tables."""
    given = arguments(__doc__, most={"type": int, "default": 100_000, "help": "questions of the largest community"})
    sizes = [50, 200] if given.quick else [size for size in (1_000, 10_000, 100_000) if size <= given.most]
    works = {size: _calls(size) for size in sizes}
    flat = {f"{size}|{name}": work for size, calls in works.items() for name, work in calls.items()}
    slow = {name: work for name, work in flat.items() if SLOW in name}
    quick = {name: work for name, work in flat.items() if name not in slow}
    taken = medians(quick, 3 if given.quick else 200, 2) | medians(slow, 3, 1)
    for name in works[sizes[0]]:
        least = taken[f"{sizes[0]}|{name}"]
        rows = [(taken[f"{size}|{name}"], taken[f"{size}|{name}"] / least, f"{size:,} questions") for size in sizes]
        show(name, ("µs", "ratio", "of"), rows)


def _calls(size: int) -> dict[str, Work]:
    """What is read of a community of that size."""
    tek, bodies = _made(size)
    middle = f"question-{size // 2}"

    def scan() -> Sequence[int]:
        return [at for at, body in enumerate(bodies[:size]) if any(word.startswith(RARE) for word in words(body))]

    return {
        "the newest twenty": lambda: tek.questions.list(None),
        "the newest twenty of an area": lambda: tek.questions.list(None, area=AREAS[3]),
        "one by its slug": lambda: tek.questions.by_slug(None, middle),
        "a search for a word that one has": lambda: tek.questions.search(None, RARE),
        "a search for a word that all have": lambda: tek.questions.search(None, "common"),
        "a search for beginnings that most have": lambda: tek.questions.search(None, "w com"),
        SLOW: scan,
    }


def _made(size: int) -> tuple[TekTree, list[str]]:
    drawn, backends, bodies = random.Random(size), memory_backends(), []  # noqa: S311 - the same community each time
    assert backends.questions is not None
    assert backends.areas is not None
    for at, id in enumerate(AREAS):
        named = f"area-{at}"
        area = Area(
            id=id,
            title=named,
            slug=named,
            visibility="public",
            created_by=AREAS[0],
            created_at=BEGIN,
            updated_at=BEGIN,
        )
        backends.areas.insert(area, [])
    for at in range(size):
        said = [f"w{min(int(drawn.paretovariate(0.8)), VOCABULARY)}" for _ in range(48)]
        bodies.append(" ".join(["common", *said, RARE if at == size // 3 else "hay"]))
        asked = BEGIN + timedelta(seconds=at)
        question = Question(
            id=derived_id("question", str(at)),
            title=f"Question {at}",
            slug=f"question-{at}",
            slugs=(f"question-{at}",),
            body=bodies[-1],
            tags=(f"t{at % 10}",),
            areas=(AREAS[at % 10],),
            visibility="public",
            created_by=derived_id("user", str(at % 100)),
            created_at=asked,
            updated_at=asked,
        )
        backends.questions.insert(question, [])
    return TekTree(backends), bodies


if __name__ == "__main__":
    main()
