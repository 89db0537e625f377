"""Slugs: never empty, in one form, one thing's own, and silent about what is hidden. Rows D10 and G19."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.ids import derived_id
from tektree.rules import slugs

FORM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ID = derived_id("a", "question")
titles = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200)
ids = st.text("0123456789abcdef", min_size=24, max_size=24)


@given(titles, ids, st.booleans())
def test_a_slug_is_never_empty_and_of_one_form(title: str, id: str, is_open: bool) -> None:
    found = slugs.candidates("question", title, id, open=is_open)
    assert 2 <= len(found) == len(set(found))
    for each in found:
        assert FORM.fullmatch(each)
        assert len(each) <= slugs.LONGEST + 25
        assert slugs.sought(each) == each
        assert slugs.sought(each.upper()) == each
    assert not re.fullmatch("[0-9a-f]{24}", found[0])


@given(titles, ids, ids)
def test_the_last_one_is_nobody_elses(title: str, id: str, other: str) -> None:
    if id != other:
        mine, theirs = [slugs.candidates("question", title, each, open=True) for each in (id, other)]
        assert mine[-1] not in theirs


@given(titles, ids)
def test_what_is_hidden_never_has_a_plain_slug(title: str, id: str) -> None:
    """G19: so whoever makes the same title finds the same slug free, hidden thing or not."""
    hidden = slugs.candidates("question", title, id, open=False)
    assert slugs.plain(title) not in hidden
    assert list(hidden) == list(slugs.candidates("question", title, id, open=True))[-2:]


def test_a_slug_with_a_fixed_tail_is_found() -> None:
    """The positive control: a tail that says only that something is there would tell of it."""
    counted = [f"{slugs.plain('Layoffs')}-{number}" for number in (2, 3)]
    assert not set(counted) & set(slugs.candidates("question", "Layoffs", ID, open=False))


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("How do I implement event sourcing?", "how-do-i-implement-event-sourcing"),
        ("C", "c"),
        ("C++", "c-plus-plus"),
        ("C#", "c-sharp"),
        ("F#/C#", "f-sharp-c-sharp"),
        ("Straße & Co", "strasse-co"),
        ("你好世界", "ni-hao-shi-jie"),
        ("ﬁn １２", "fin-12"),
        ("🎉🎉", ""),
        ("&amp; <b>", "amp-b"),
        ("x" * 200, "x" * 80),
        (f"{'word ' * 15}andonetoolong", "-".join(["word"] * 15)),
    ],
)
def test_titles(title: str, expected: str) -> None:
    assert slugs.plain(title) == expected


def test_what_has_no_letters_is_called_by_its_kind() -> None:
    assert slugs.candidates("area", "🎉", ID, open=True)[0] == f"area-{derived_id('slug', ID)[:8]}"
    assert slugs.candidates("area", ID, ID, open=True)[0].startswith(f"{ID}-")


@given(st.lists(st.sampled_from("abcdef"), max_size=9), st.sampled_from("abcdef"))
def test_those_given_up_are_kept(before: list[str], new: str) -> None:
    held: tuple[str, ...] = ()
    for each in (*before, new):
        found = slugs.kept(held, each)
        assert found is not None
        assert set(found) == {*held, each}
        assert found[-1] == each
        held = found
    assert len(set(held)) == len(held)


def test_there_are_so_many_and_no_more() -> None:
    full = tuple([str(at) for at in range(slugs.MOST)])
    assert slugs.kept(full, "new") is None
    assert slugs.kept(full, "7") == (*[each for each in full if each != "7"], "7")


@pytest.mark.parametrize("value", ["", "-", "a--b", "a b", "é", "a\n", "../x", "x" * 999, b"a", None, 7, {"$ne": None}])
def test_what_no_slug_can_be_is_sought_in_vain(value: object) -> None:
    assert slugs.sought(value) is None
