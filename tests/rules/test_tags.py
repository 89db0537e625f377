"""Tags: one normal form."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tektree.errors import InvalidInput
from tektree.rules import tags

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)


@given(texts)
def test_the_normal_form_of_a_normal_form_is_itself(tag: str) -> None:
    try:
        found = tags.sought(tag)
    except InvalidInput:
        assume(False)
    assert tags.sought(found) == found
    assert 1 <= len(found) <= tags.LONGEST
    assert unicodedata.is_normalized("NFKC", found)
    assert not any(char.isspace() or char.isupper() for char in found)
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in found)
    assert any(char.isalnum() for char in found)


@given(texts)
def test_spelling_does_not_matter(tag: str) -> None:
    """Spaces around it, and how its letters are composed."""
    try:
        found = tags.sought(tag)
    except InvalidInput:
        assume(False)
    for other in (f" {tag} ", unicodedata.normalize("NFD", tag), unicodedata.normalize("NFC", tag)):
        if len(other) <= tags.LONGEST:
            assert tags.sought(other) == found


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Event Sourcing", "event-sourcing"),
        ("event-sourcing", "event-sourcing"),
        ("  event \t sourcing ", "event-sourcing"),
        ("C++", "c++"),
        ("C#", "c#"),
        (".NET", ".net"),
        ("ci/cd", "ci-cd"),
        ("snake_case", "snake_case"),
        ("ＧＯ", "go"),
        ("Straße", "strasse"),
        ("e\u0301", "é"),
        ("a\u200db", "ab"),
        ("a\u200d\u0301", "á"),
        ("-x-", "x"),
        ("🎉party", "party"),
    ],
)
def test_forms(tag: str, expected: str) -> None:
    assert tags.sought(tag) == expected


def test_one_subject_has_one_tag() -> None:
    assert tags.normal(["Go", "go", "ＧＯ", "rust", "GO "]) == ("go", "rust")


@pytest.mark.parametrize("tag", ["", "🎉", "+", "\u200b", "x" * 65, "ﷺ" * 9, None, 7, b"go", {"$gt": ""}])
def test_what_is_no_tag_is_refused(tag: object) -> None:
    """F1, F17: the message says what a tag is, and not what this was."""
    with pytest.raises(InvalidInput) as caught:
        tags.sought(tag)
    assert caught.value.field == "tag"
    assert "🎉" not in str(caught.value)


def test_a_form_that_is_not_folded_twice_is_found() -> None:
    """The positive control: what is left out lets others come together, so once is not enough."""
    assert tags._step("a\u200d\u0301") != tags._step(tags._step("a\u200d\u0301"))
