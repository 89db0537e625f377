"""The exact sliding window, whose it is, and which limit applies."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import Forbidden, InvalidInput
from tektree.models.base import Frozen
from tektree.models.rate_limits import Bucket, Decision, Fill, Hit
from tektree.policy import Policy, RateLimit
from tektree.rules import rate_limits as rules

MICRO = 1_000_000
HITS = st.lists(st.tuples(st.integers(-3 * MICRO, 30 * MICRO), st.integers(1, 4)), max_size=60)
"""How long after the hit before, and how many at once. Clocks go back as well."""


def worst(passed: list[int], window: int) -> int:
    """The most that any window holds."""
    return max([len([at for at in passed if start <= at < start + window * MICRO]) for start in passed], default=0)


@given(HITS, st.integers(4, 9), st.integers(1, 60))
def test_no_window_holds_more_than_the_limit(hits: list[tuple[int, int]], limit: int, window: int) -> None:
    """I6: against a log of arrivals."""
    log: tuple[int, ...] = ()
    now, passed = 10**15, []
    for pause, cost in hits:
        now += pause
        log, fill = rules.take(log, now, limit, window, cost)
        if fill.wait == 0:
            passed += [fill.newest] * cost
        assert fill.used == len(log) <= limit
        assert list(log) == sorted(log)
    assert worst(passed, window) <= limit


TIERS = st.lists(st.tuples(st.integers(4, 9), st.integers(1, 60)), min_size=2, max_size=3)
"""Limits and windows of the tiers that one subject has in turn."""
TIERED = st.lists(st.tuples(st.integers(-3 * MICRO, 30 * MICRO), st.integers(1, 4), st.integers(0, 2)), max_size=60)
"""As `HITS`, and which tier it is by then."""


def most_over(hits: list[tuple[int, int, int]], tiers: list[tuple[int, int]], kept: int) -> int:
    """By how many the fullest window, at a hit that passed, was over the limit of who asked: by a log of arrivals."""
    log: tuple[int, ...] = ()
    now, passed, most = 10**15, [], 0
    for pause, cost, which in hits:
        now += pause
        limit, window = tiers[which % len(tiers)]
        log, fill = rules.take(log, now, limit, window, cost, kept)
        if fill.wait == 0:
            passed += [fill.newest] * cost
            most = max(most, len([at for at in passed if at > fill.newest - window * MICRO]) - limit)
    return most


@given(TIERED, TIERS)
def test_no_window_holds_more_whatever_the_tier_was_before(
    hits: list[tuple[int, int, int]], tiers: list[tuple[int, int]]
) -> None:
    """I6: tiers with windows of their own, and changes between them."""
    assert most_over(hits, tiers, max([window for _, window in tiers])) <= 0


def test_what_a_narrow_window_forgets_is_found() -> None:
    """The control: a log that is kept for the window of who asks."""
    hits = [*[(0, 4, 0)] * 5, (1_100_000, 1, 1), (0, 4, 0)]
    assert most_over(hits, [(20, 5), (10, 1)], kept=5) <= 0
    assert most_over(hits, [(20, 5), (10, 1)], kept=0) > 0


def test_the_measure_finds_a_fixed_window() -> None:
    """The control: as many at the end of one minute as at the start of the next."""
    fixed = [59 * MICRO] * 5 + [60 * MICRO] * 5
    assert worst(fixed, 60) == 10


@given(HITS, st.integers(4, 9), st.integers(1, 60), st.integers(1, 4))
def test_who_waits_passes_and_not_a_moment_earlier(
    hits: list[tuple[int, int]], limit: int, window: int, asked: int
) -> None:
    """I17: the wait is true."""
    log: tuple[int, ...] = ()
    now = 10**15
    for pause, cost in hits:
        now += pause
        log, _ = rules.take(log, now, limit, window, cost)
    kept, refused = rules.take(log, now, limit, window, asked)
    if refused.wait:
        assert rules.take(kept, now + refused.wait, limit, window, asked)[1].wait == 0
        assert rules.take(kept, now + refused.wait - 1, limit, window, asked)[1].wait == 1


@given(HITS, st.integers(4, 9), st.integers(1, 60))
def test_waits_grow_with_what_is_asked(hits: list[tuple[int, int]], limit: int, window: int) -> None:
    log: tuple[int, ...] = ()
    now = 10**15
    for pause, cost in hits:
        now += pause
        log, _ = rules.take(log, now, limit, window, cost)
    waits = [rules.take(log, now, limit, window, cost)[1].wait for cost in range(1, limit + 1)]
    assert waits == sorted(waits)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (10, Fill(3, 10, 10, 0)),
        (MICRO - 1, Fill(3, MICRO - 1, MICRO - 1, 0)),
        (MICRO, Fill(2, MICRO, MICRO, 0)),  # a window later the first has left it
        (MICRO + 5, Fill(1, MICRO + 5, MICRO + 5, 0)),
        (2, Fill(3, 2, 5, 0)),  # the clock went back
    ],
)
def test_windows_are_half_open(now: int, expected: Fill) -> None:
    assert rules.take((0, 5), now, 3, 1, 1)[1] == expected


def test_what_is_refused_consumes_nothing() -> None:
    log, fill = rules.take((1, 2), 10, 4, 1, 3)
    assert log == (1, 2)
    assert fill == Fill(2, 10, 2, MICRO - 9)


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        (Fill(3, 0, 0, 0), Decision(True, 5, 2, datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 0.0, 60, 60.0)),
        (Fill(5, 10**6, 0, 2), Decision(False, 5, 0, datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 2e-6, 60, 59.0)),
        (Fill(0, 0, 0, 0), Decision(True, 5, 5, datetime(1970, 1, 1, tzinfo=UTC), 0.0, 60, 0.0)),
        (Fill(9, 0, 0, 7), Decision(False, 5, 0, datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 7e-6, 60, 60.0)),
    ],
)
def test_decisions(fill: Fill, expected: Decision) -> None:
    assert rules.decision(Bucket("usr_a", "/a", 5, 60), fill) == expected


_SHORT = 2**32 * 10**6
"""Until when seconds as a float are taken for instants."""


@given(st.one_of(st.integers(-(10**15), 250_000_000_000 * 10**6), st.integers(_SHORT - 10**6, _SHORT + 10**6)))
def test_instants_are_exact_to_the_microsecond(now: int) -> None:
    found = rules.decision(Bucket("usr_a", "/a", 5, 60), Fill(1, now, now, 0))
    assert found.reset_at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now, seconds=60)
    assert len(found) == len(Decision._fields)


def test_beyond_that_a_float_would_be_wrong() -> None:
    """The control: the quicker way misses microseconds when it is used for too long."""
    far = [2**33 * 10**6 + at for at in range(100_000, 100_100)]
    assert any(
        datetime.fromtimestamp(at / 10**6, UTC) != datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
        for at in far
    )


def test_headers_are_those_of_the_draft() -> None:
    passed = rules.decision(Bucket("usr_a", "/a", 5, 60), Fill(3, MICRO, MICRO // 2, 0))
    assert passed.headers == {"RateLimit": '"default";r=2;t=60', "RateLimit-Policy": '"default";q=5;w=60'}
    refused = rules.decision(Bucket("usr_a", "/a", 5, 60), Fill(5, MICRO, 0, MICRO + 1))
    assert refused.headers["Retry-After"] == "2"
    assert rules.uncounted(datetime(2025, 1, 1, tzinfo=UTC), RateLimit(limit=5)).headers == {}
    assert rules.uncounted(datetime(2025, 1, 1, tzinfo=UTC), None).limit is None


def test_of_several_the_caller_is_told_the_tightest() -> None:
    wide, narrow = Bucket("usr_a", "/a", 9, 60), Bucket("ip:192.0.2.7", "/a", 3, 60)
    two = [rules.decision(wide, Fill(1, 0, 0, 0)), rules.decision(narrow, Fill(1, 0, 0, 0))]
    assert rules.tightest(two).limit == 3
    two = [rules.decision(wide, Fill(9, 0, 0, 7)), rules.decision(narrow, Fill(1, 0, 0, 0))]
    assert rules.tightest(two) == two[0]
    two = [rules.decision(wide, Fill(9, 0, 0, 7)), rules.decision(narrow, Fill(3, 0, 0, 9))]
    assert rules.tightest(two) == two[1]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("usr_ada", "usr_ada"),
        ("ip:1.2.3.4", "ip:1.2.3.4"),
        ("ip:::ffff:1.2.3.4", "ip:1.2.3.4"),
        ("ip:::FFFF:102:304", "ip:1.2.3.4"),
        ("ip:2001:DB8::1", "ip:2001:db8::"),
        ("ip:2001:db8:0:0:0:0:0:1", "ip:2001:db8::"),
        ("ip:2001:db8:0:0:ffff::9", "ip:2001:db8::"),
        ("ip:2001:db8:0:1::9", "ip:2001:db8:0:1::"),
        ("ip:fe80::1%eth0", "ip:fe80::"),
        ("ip:::1", "ip:::"),
    ],
)
def test_a_source_has_one_form(given: str, expected: str) -> None:
    """B13: IPv4 and IPv6 in one normal form, IPv6 by /64."""
    assert rules.checked_subject(given) == expected
    assert rules.checked_subject(expected) == expected


@given(st.ip_addresses(v=6))
def test_every_spelling_of_an_address_is_one_source(address: Any) -> None:
    spellings = {f"ip:{form}" for form in (address, address.exploded, address.exploded.upper())}
    assert len({rules.checked_subject(each) for each in spellings}) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        *[None, 5, b"usr_a", "", "ada", "usr_", "usr_a:b", "usr_" + "a" * 61, "IP:1.2.3.4", "ip:", "ip:host"],
        *["ip:1.2.3", "ip:01.2.3.4", "ip:1.2.3.4:80", "ip:[::1]", "ip:" + "1" * 99, "ip:1.2.3.4\n"],
    ],
)
def test_what_is_no_subject_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^subject: "):
        rules.checked_subject(wrong)


@pytest.mark.parametrize("wrong", [None, 5, "", "a" * 65_537, "\ud800"])
def test_what_is_no_endpoint_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^endpoint: "):
        rules.checked_endpoint(wrong)
    assert rules.checked_endpoint("a\x00:{}" * 2000) == "a\x00:{}" * 2000


@pytest.mark.parametrize("wrong", [None, 0, -1, 1.0, True, "1", 10_001])
def test_what_is_no_cost_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^cost: must be a whole number"):
        rules.checked_cost(wrong, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        None,
        "usr_a",
        {"usr_a": "/a"},
        ["usr_a"],
        [("usr_a",)],
        [("usr_a", "/a", "free", 1)],
        [["usr_a", "/a"]],
        [("usr_a", "")],
        [("ip:x", "/a")],
        [("usr_a", "/a"), ("usr_a", "/a", "pro")],
        [("usr_a", f"/{at}") for at in range(11)],
    ],
)
def test_what_is_no_list_of_hits_is_refused(wrong: Any) -> None:
    assert rules.checked_hits([("usr_a", "/a"), Hit("usr_a", "/b", "pro")]) == [
        Hit("usr_a", "/a"),
        Hit("usr_a", "/b", "pro"),
    ]
    with pytest.raises(InvalidInput):
        rules.checked_hits(wrong)


def test_a_cost_that_could_never_pass_is_refused() -> None:
    """I18."""
    assert rules.checked_cost(5, 5) == 5
    assert rules.checked_cost(9, None) == 9
    with pytest.raises(InvalidInput, match="more than the limit of 5"):
        rules.checked_cost(6, 5)


def test_a_limit_of_nothing_is_forbidden() -> None:
    """I16: 0 means never, and no wait would help."""
    with pytest.raises(Forbidden):
        rules.bucket("usr_a", "/a", RateLimit(limit=0))
    assert rules.bucket("usr_a", "/a", RateLimit(limit=1, window_seconds=5), 9) == Bucket("usr_a", "/a", 1, 5, 9)


def test_an_account_is_a_digest_of_whose_it_is_or_of_its_name() -> None:
    one = rules.login_subject("Ada@Example.org ")
    assert one == rules.login_subject("ada@example.org") != rules.login_subject("ada@example.com")
    assert one == rules.login_subject("ada@\uff45xample\u3002org")
    assert rules.login_subject("N o body") == rules.login_subject("n o BODY")
    of_user = rules.login_subject("Ada@Example.org", "usr_ada")
    assert of_user == rules.login_subject("ada", "usr_ada") != rules.login_subject("usr_ada")
    assert "ada" not in one + of_user


@pytest.mark.parametrize(
    "wrong", [None, 5, b"1.1.1.1", "", "somewhere", "1.1.1.1:90", "usr_ada", "ip:ip:1.1.1.1", "1" * 65]
)
def test_what_is_no_source_is_refused_by_its_name(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^source: "):
        rules.checked_source(wrong)
    assert rules.checked_source("::ffff:1.2.3.4") == rules.checked_source("ip:1.2.3.4") == "ip:1.2.3.4"


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("/a", 1),
        ("/a/b", 2),
        ("/a/", 2),
        ("/a/b.json", 3),
        ("/x/b.json", 4),
        ("/x\n", 5),
        ("/a[b]?c", 6),
        ("/a[b]xc", 5),
    ],
)
def test_the_pattern_that_spells_out_most_decides(endpoint: str, expected: int) -> None:
    patterns = {"/a": 1, "/a/*": 2, "/a/*.json": 3, "*.json": 4, "*": 5, "/a[b]?*": 6}
    for order in (list(patterns), list(reversed(patterns))):
        limits = Frozen({name: RateLimit(limit=patterns[name]) for name in order})
        found = rules.Limits(limits).of(endpoint)
        assert found is not None
        assert found.limit == expected


def test_where_no_pattern_fits_there_is_no_limit() -> None:
    assert rules.Limits(Frozen({"/a": RateLimit(limit=1)})).of("/b") is None
    assert rules.Limits(Frozen()).of("/b") is None


def test_the_defaults_are_those_of_the_tiers() -> None:
    tiers = Policy().rate_limits.tiers
    found = [rules.Limits(tiers[tier]).of("/api/v1/questions") for tier in ("free", "pro", "team", "enterprise")]
    assert [each.limit for each in found if each] == [60, 120, 300, 600]
