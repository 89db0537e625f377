"""What a decision of a rate limit costs in memory, beside other libraries that count in a sliding window: medians.

Run it: ``python tools/bench/rate_limits.py``. Fifty subjects take turns, and all of them have room. *Headers* is with
the values of ``RateLimit`` and ``RateLimit-Policy``, which the others do not have. The bar is 175,000 a second.
"""

from itertools import count
from typing import Any

from measuring import Work, arguments, medians, optional, show

from tektree import Policy, TekTree

SUBJECTS = 50
MOST = 10_000_000
POLICY = Policy.from_toml(f'rate_limits.tiers.free = {{ "*" = {{ limit = {MOST}, window_seconds = 60 }} }}')


def ours(headers: bool) -> Work:
    """``rate_limits.hit``."""
    hit, turn = TekTree.in_memory(policy=POLICY).rate_limits.hit, count()
    if headers:
        return lambda: hit(f"usr_{next(turn) % SUBJECTS}", "/api").headers
    return lambda: hit(f"usr_{next(turn) % SUBJECTS}", "/api")


def limits() -> Work | None:
    """``limits``, by its moving window."""
    library: Any = optional("limits")
    if library is None:
        return None
    window = library.strategies.MovingWindowRateLimiter(library.storage.MemoryStorage())
    item, turn = library.parse(f"{MOST}/minute"), count()
    return lambda: window.hit(item, f"usr_{next(turn) % SUBJECTS}", "/api")


def pyrate_limiter() -> Work | None:
    """``pyrate-limiter``, by its log of a sliding window: one limiter for each subject."""
    library: Any = optional("pyrate_limiter")
    if library is None:
        return None
    of = [library.Limiter(library.Rate(MOST, library.Duration.MINUTE)) for _ in range(SUBJECTS)]
    turn = count()
    return lambda: of[next(turn) % SUBJECTS].try_acquire("/api", blocking=False)


def main() -> None:
    """Prints the table."""
    quick = arguments(__doc__).quick
    ways = {
        "rate_limits.hit": ours(headers=False),
        "rate_limits.hit, with headers": ours(headers=True),
        "limits": limits(),
        "pyrate-limiter": pyrate_limiter(),
    }
    taken = medians(
        {name: work for name, work in ways.items() if work is not None}, 3 if quick else 15, 20 if quick else 1_000
    )
    measure = taken["rate_limits.hit"]
    rows = [(each, 1e6 / each, each / measure, name) for name, each in taken.items()]
    show("a decision in memory", ("µs", "a second", "ratio", "way"), rows)


if __name__ == "__main__":
    main()
