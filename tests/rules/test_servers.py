"""What a doctor says of a server: nothing of a good one, and of each thing that is amiss what breaks by it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.models.servers import Facts, Keys
from tektree.rules.servers import Severity, diagnosed, diagnosed_each, worst

INFO = {
    "redis_version": "7.2.4",
    "role": "master",
    "loading": "0",
    "cluster_enabled": "0",
    "maxmemory": "1000000",
    "maxmemory_policy": "noeviction",
    "used_memory": "1000",
    "evicted_keys": "0",
    "aof_enabled": "1",
    "rdb_last_bgsave_status": "ok",
    "aof_last_write_status": "ok",
}
CONFIG = {"save": "", "appendfsync": "always"}
GOOD = Facts(INFO, CONFIG, 0.01, 0.001, True, Keys(10, 10))


def with_info(**changed: str | None) -> Facts:
    return GOOD._replace(info={name: value for name, value in {**INFO, **changed}.items() if value is not None})


def test_of_a_good_one_there_is_nothing_to_say() -> None:
    assert diagnosed(GOOD) == ()
    assert worst(()) is None


SNAPSHOTS = {"aof_enabled": "0"}
AMISS: list[tuple[Facts, str, str, str]] = [
    (with_info(redis_version="6.0.16"), "error", "version", "scripts"),
    (with_info(redis_version=None), "note", "version", ""),
    (with_info(redis_version="6.x"), "note", "version", ""),
    (GOOD._replace(scripts=False), "error", "scripts", "refused"),
    (with_info(role="slave"), "error", "role", "refuses"),
    (with_info(loading="1"), "error", "role", "Unavailable"),
    (with_info(cluster_enabled="1"), "warning", "cluster", "ConfigurationError"),
    (with_info(maxmemory_policy="allkeys-lru"), "error", "eviction", "quotas begin anew"),
    (with_info(maxmemory_policy="allkeys-lru", maxmemory="0"), "warning", "eviction", "quotas begin anew"),
    (with_info(maxmemory_policy="volatile-lru"), "warning", "eviction", "in use"),
    (with_info(maxmemory_policy="volatile-ttl"), "note", "eviction", "ends first"),
    (with_info(maxmemory_policy=None), "note", "eviction", ""),
    (with_info(maxmemory="many"), "note", "eviction", ""),
    (with_info(maxmemory="0"), "note", "memory", "grows"),
    (with_info(used_memory="900000"), "warning", "memory", "every write is Unavailable"),
    (with_info(evicted_keys="7"), "warning", "eviction", "loaded anew"),
    (with_info(rdb_last_bgsave_status="err"), "error", "persistence", "refuse every write"),
    (with_info(aof_last_write_status="err"), "error", "persistence", "refuse every write"),
    (GOOD._replace(config={**CONFIG, "appendfsync": "no"}), "warning", "persistence", "open again"),
    (GOOD._replace(config={**CONFIG, "appendfsync": "everysec"}), "note", "persistence", "two seconds"),
    (with_info(**SNAPSHOTS), "warning", "persistence", "logs everybody out"),
    (with_info(**SNAPSHOTS)._replace(config={"save": "3600 1"}), "warning", "persistence", "open again"),
    (with_info(**SNAPSHOTS)._replace(config=None), "note", "persistence", "open again"),
    (GOOD._replace(offset=2.6, round_trip=1.0), "warning", "clock", "too early"),
    (GOOD._replace(offset=-61.0), "error", "clock", "given up"),
    (GOOD._replace(keys=None), "note", "keys", ""),
    (GOOD._replace(keys=Keys(10, 20)), "note", "keys", ""),
    (GOOD._replace(keys=Keys(10, 10, ("session:a",), 4)), "warning", "keys", "for ever"),
    (GOOD._replace(keys=Keys(10, 10, (), 0, ("quota:a",), 1)), "error", "keys", "CorruptDocument"),
]


@pytest.mark.parametrize(("facts", "severity", "about", "breaks"), AMISS)
def test_what_is_amiss_is_said_with_what_breaks(facts: Facts, severity: str, about: str, breaks: str) -> None:
    found, *others = diagnosed(facts)
    assert [each.about for each in others] in ([], ["memory"])
    assert (found.severity, found.about) == (severity, about)
    assert breaks in found.breaks
    assert worst((found,)) == severity
    assert found.mend or found.severity is Severity.NOTE


def test_clocks_that_differ_by_less_than_can_be_known_do_not() -> None:
    assert diagnosed(GOOD._replace(offset=2.4, round_trip=1.0)) == ()


def test_nearly_full_says_what_its_policy_makes_of_it() -> None:
    found = diagnosed(with_info(used_memory="950000", maxmemory_policy="allkeys-lfu"))
    assert [each.about for each in found] == ["eviction", "memory"]
    assert "throws keys away" in found[1].breaks


@given(
    st.dictionaries(st.sampled_from(sorted(INFO)), st.sampled_from(["", "0", "1", "x", "²", "9" * 30, "6.", "slave"])),
    st.none() | st.dictionaries(st.sampled_from(["save", "appendfsync"]), st.text(max_size=9)),
    st.floats(-1e9, 1e9),
)
def test_whatever_a_server_says_something_can_be_said_of_it(info: Any, config: Any, offset: float) -> None:
    """And the worst comes first."""
    found = diagnosed(Facts(info, config, offset, 0.001, True, None))
    order = [list(Severity).index(each.severity) for each in found]
    assert order == sorted(order, reverse=True)
    assert worst(found) == found[0].severity


# -- several ---------------------------------------------------------------------------------------------------------

SERVERS = [GOOD, *[facts for facts, *_ in AMISS]]


@given(st.lists(st.sampled_from(SERVERS), min_size=1, max_size=4))
def test_of_several_each_finding_is_said_once_and_where_it_is_not_of_all(those: list[Facts]) -> None:
    servers = {f"10.0.0.{at}:6379": facts for at, facts in enumerate(those)}
    said = diagnosed_each(servers)
    expected = set()
    for each in {each for facts in those for each in diagnosed(facts)}:
        where = [address for address, facts in servers.items() if each in diagnosed(facts)]
        everywhere = len(where) == len(servers)
        expected.add(each if everywhere else each._replace(found=f"{', '.join(where)}: {each.found}"))
    assert set(said) == expected
    assert len(said) == len(expected)
    assert [each.severity for each in said] == sorted(
        [each.severity for each in said], key=lambda each: -list(Severity).index(each)
    )


def test_of_one_it_is_what_is_said_of_it() -> None:
    for facts in SERVERS:
        assert diagnosed_each({"localhost:6379": facts}) == diagnosed(facts)


def test_one_that_is_away_is_an_error_with_its_address() -> None:
    [found] = diagnosed_each({"a:1": GOOD, "b:2": None})
    assert (found.severity, found.about) == (Severity.ERROR, "role")
    assert found.found == "b:2: a primary that could not be reached"
