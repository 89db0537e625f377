"""What a board in memory costs, by how many stand on it: ten times as many should cost little more.

Run it: ``python tools/bench/boards.py``. Boards of all sizes are asked in turns. A linear way would show ten where the
last column of each size shows one and a bit. ``--most 1000000`` adds a size.
"""

import random
from datetime import UTC, datetime, timedelta
from itertools import count

from measuring import Work, arguments, medians, show

from tektree import Board
from tektree._sync.backends.memory.leaderboards import MemoryLeaderboards
from tektree.models.leaderboards import BoardEntry

NOW = datetime(2025, 12, 16, tzinfo=UTC)
ASKED = 1_000
"""How many different users are asked for, of each board."""


def main() -> None:
    """Prints a table for each call."""
    given = arguments(__doc__, most={"type": int, "default": 100_000, "help": "users on the largest board"})
    sizes = [10, 100] if given.quick else [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= given.most]
    boards = {size: _works(size) for size in sizes}
    for call in ("put", "rank", "around", "top"):
        works = {f"{size:,} users": boards[size][call] for size in sizes}
        taken = medians(works, 5 if given.quick else 200, 50)
        before = [next(iter(taken.values())), *taken.values()]
        rows = [(each, each / last, name) for (name, each), last in zip(taken.items(), before, strict=False)]
        show(call, ("µs", "ratio to a tenth", "board"), rows)


def _works(size: int) -> dict[str, Work]:
    chance = random.Random(size)  # noqa: S311 - the same board each time
    store, seqs = MemoryLeaderboards(), count(2)
    scores = [chance.randrange(1, 1_000_000) for _ in range(size)]
    store.put([_entry(at, score, 1) for at, score in enumerate(scores)], NOW)
    asked = [chance.randrange(size) for _ in range(ASKED)]
    turn = count()

    def put() -> None:
        at = asked[next(turn) % ASKED]
        scores[at] += 10
        store.put([_entry(at, scores[at], next(seqs))], NOW)

    def rank() -> object:
        return store.rank(Board.GLOBAL, f"usr_{asked[next(turn) % ASKED]}", NOW)

    def around() -> object:
        return store.around(Board.GLOBAL, f"usr_{asked[next(turn) % ASKED]}", 2, NOW)

    def top() -> object:
        return store.top(Board.GLOBAL, 10, NOW)

    return {"put": put, "rank": rank, "around": around, "top": top}


def _entry(at: int, score: int, seq: int) -> BoardEntry:
    return BoardEntry(Board.GLOBAL, f"usr_{at}", score, NOW - timedelta(seconds=seq % 1000), seq)


if __name__ == "__main__":
    main()
