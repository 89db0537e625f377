"""Recounts of content: what is compared, and what is told of it."""

from hypothesis import given
from hypothesis import strategies as st

from tektree._sync.conformance.questions import question
from tektree.rules.recounts import compared, led_to_by, still

WORDS = st.sampled_from("abcd")


@given(st.integers(0, 3), st.integers(0, 3), st.lists(WORDS, max_size=3, unique=True).map(tuple))
def test_a_field_is_named_exactly_when_it_differs(votes: int, expected: int, slugs: tuple[str, ...]) -> None:
    record = question("q", upvote_count=votes, slugs=slugs)
    found = compared("question", record, {"upvote_count": expected, "slugs": slugs})
    assert [(each.field, each.expected, each.found) for each in found] == (
        [] if votes == expected else [("upvote_count", str(expected), str(votes))]
    )
    assert still(found, found) == found
    assert still((), found) == still(found, ()) == ()


@given(WORDS, st.lists(WORDS, max_size=4, unique=True).map(tuple))
def test_a_thing_is_led_to_by_all_that_it_had_and_its_own_stands_last(slug: str, held: tuple[str, ...]) -> None:
    record = question("q", slug=slug, slugs=held)
    expected = led_to_by(record)
    assert set(expected) == ({slug, *held} if held else set())
    assert not held or expected[-1] == slug
    assert led_to_by(record.evolve(slugs=expected)) == expected


def test_a_thing_with_too_many_slugs_keeps_those_it_has() -> None:
    held = tuple([f"s{at}" for at in range(100)])
    assert led_to_by(question("q", slug="new", slugs=held)) == held


def test_long_values_are_cut_and_lists_are_written_out() -> None:
    record = question("q", title="x" * 300, slugs=("a", "b"))
    [title, slugs] = compared("question", record, {"title": "y" * 201, "slugs": ("b",)})
    assert (len(title.found), len(title.expected), title.found[-1]) == (201, 201, "…")
    assert (slugs.expected, slugs.found) == ("b", "a, b")
