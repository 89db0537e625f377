"""Searches on each driver: what is sent, by a text index or without one, and that nothing in a text is an operator."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import OperationFailure

from tektree import TekTree
from tektree._sync.backends.mongo.documents import spoken
from tektree.errors import InvalidInput, Unavailable
from tektree.models.areas import AreaDraft
from tektree.models.questions import QuestionDraft
from tektree.rules.search import terms
from tektree.testing import checks, run
from tektree.wire.collections import AREAS, INDEXES, INSIGHTS, QUESTIONS
from tests.backends.mongo.test_areas import without_reactions
from tests.backends.mongo.worlds import REAL, World
from tests.content.test_areas import ADA, BEN
from tests.lanes import MOCK, enter

# -- a server with text indexes, as MongoDB's manual describes them ----------------------------------------------------


def understood(search: str) -> tuple[list[str], list[str], list[str]]:
    """What ``$search`` says: phrases, words that are looked for, and words that must not be there."""
    phrases, rest = re.findall(r'"([^"]*)"', search), re.sub(r'"[^"]*"', " ", search)
    each = rest.split()
    return phrases, [word for word in each if word[0] != "-"], [word[1:] for word in each if word[0] == "-"]


class TextServer:
    """mongomock, with text indexes: whole words, all phrases, not what is negated. It remembers what it was asked."""

    def __init__(self, database: Any, *, answers: bool = True) -> None:
        self.database = database
        self.answers = answers
        self.indexed: set[str] = set()
        self.asked: list[Mapping[str, Any]] = []

    def collection(self, name: str) -> Any:
        return TextCollection(self, name)


class TextCollection:
    def __init__(self, server: TextServer, name: str) -> None:
        self.server, self.name = server, name
        self.inner = server.database[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def create_indexes(self, models: Sequence[Any]) -> None:
        for model in models:
            keys = dict(model.document["key"])
            if "text" in keys.values():
                self.server.indexed.add(self.name)
            else:
                self.inner.create_index(list(keys.items()))

    def find(self, query: Mapping[str, Any], *more: Any) -> Any:
        self.server.asked.append(query)
        return self.inner.find(self.plain(query), *more)

    def find_one(self, query: Mapping[str, Any], *more: Any) -> Any:
        self.server.asked.append(query)
        return self.inner.find_one(self.plain(query), *more)

    def plain(self, query: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$text" not in query:
            return query
        if self.name not in self.server.indexed:
            raise OperationFailure("text index required for $text query", 27)
        if not self.server.answers:
            raise OperationFailure("unknown top level operator: $text", 2)
        phrases, some, none = understood(query["$text"]["$search"])
        fields = [name for index in INDEXES[self.name] if index.text for name, _ in index.keys]
        has = [{"$or": [_says(field, phrase) for field in fields]} for phrase in phrases]
        has += [{"$or": [_says(field, word) for field in fields for word in some]}] if some else []
        rest = {name: rule for name, rule in query.items() if name != "$text"}
        lacks = [_says(field, word) for word in none for field in fields]
        return {"$and": [rest, *has, *([{"$nor": lacks}] if lacks else [])]}


def _says(field: str, word: str) -> dict[str, Any]:
    return {field: {"$regex": rf"(?<!\w){re.escape(word)}s?(?!\w)", "$options": "i"}}


@dataclass
class Served:
    """Storages on a server with text indexes, which ``answers`` by them or not; set up."""

    answers: bool = True

    def __post_init__(self) -> None:
        enter(MOCK)
        self.world = World.made(MOCK)
        self.server = TextServer(self.world.look, answers=self.answers)
        self.backends = self.world.backends()
        self.mongo = self.backends.areas._mongo
        self.mongo.mocked, self.mongo.collection = False, self.server.collection
        self.backends.on_setup()
        self.mongo.mocked = True
        for name in (AREAS, QUESTIONS, INSIGHTS):
            store = getattr(self.backends, name)
            store._documents = self.server.collection(name)
        self.server.asked.clear()

    def tek(self) -> TekTree:
        return TekTree(replace(self.backends, on_setup=None), policy=without_reactions(), clock=self.world.clock)


def test_a_text_index_is_asked_where_the_server_answers_by_it() -> None:
    """Found out once, at setup. What all searches promise is promised there as well."""
    for name in (AREAS, QUESTIONS, INSIGHTS):
        for check in checks(name):
            if "are_found_" in check and "who_made" not in check:
                served = Served()
                assert served.mongo.texts == {AREAS, QUESTIONS, INSIGHTS}
                run(check, replace(served.backends, on_setup=None))
                assert any("$text" in query for query in served.server.asked)


def test_what_is_sent_is_the_whole_question() -> None:
    """G9: words, visibility and place in one query; the answer says by what it was found."""
    served = Served()
    tek = served.tek()
    for title, visibility in (("Events one", "public"), ("Events two", "public"), ("Events three", "private")):
        tek.questions.ask(ADA, QuestionDraft(title=title, body="of sourcing", visibility=visibility))
    served.server.asked.clear()
    page = tek.questions.search(BEN, "Events SOURCING", limit=1)
    page = tek.questions.search(BEN, "Events SOURCING", after=page.next)
    assert (page.by, len(page), page.next) == ("text", 1, None)
    assert [set(query) for query in served.server.asked] == [
        {"$text", "deleted_at", "$or"},
        {"$text", "deleted_at", "$or", "created_at", "$nor"},
    ]
    assert served.server.asked[0]["$text"] == {"$search": '"events" "sourcing"'}
    assert len(tek.questions.search(ADA, "events")) == 3


@pytest.mark.parametrize("obstacle", ["never set up", "no answer", "gone since"])
def test_words_are_searched_where_no_text_index_answers(obstacle: str) -> None:
    """Whatever the server makes of the index: search goes on, and says by what."""
    served = Served(answers=obstacle != "no answer")
    if obstacle == "never set up":
        served.mongo.texts.clear()
    if obstacle == "gone since":
        served.server.indexed.clear()
    tek = served.tek()
    tek.questions.ask(ADA, QuestionDraft(title="Events", body="x"))
    tek.areas.create(ADA, AreaDraft(title="Events"))
    served.server.asked.clear()
    for search in (tek.questions.search, tek.areas.search):
        assert [(page.by, len(page)) for page in (search(BEN, "eve"), search(BEN, "eve"))] == [("words", 1)] * 2
    asked = ["$text" in query for query in served.server.asked]
    assert asked == [True, False, False] * 2 if obstacle == "gone since" else asked == [False] * 4


def test_another_failure_is_none_of_the_index() -> None:
    served = Served()

    def refuse(query: Any) -> Any:
        raise OperationFailure("interrupted", 11601)

    served.backends.questions._documents.plain = refuse
    with pytest.raises(Unavailable):
        served.tek().questions.search(BEN, "a")
    assert QUESTIONS in served.mongo.texts


@given(st.text(max_size=200) | st.text("ab-\" \\'", max_size=30))
def test_nothing_in_a_text_is_an_operator(text: str) -> None:
    """F7: not ``-word``, not ``"a phrase"``: what a user types means the words that it holds."""
    try:
        words = terms(text)
    except InvalidInput:
        return
    assert understood(spoken(words)["$text"]["$search"]) == (list(words), [], [])


def test_the_stub_knows_operators() -> None:
    assert understood('a -b "c d" "-e" f-g') == (["c d", "-e"], ["a", "f-g"], ["b"])


# -- each driver -------------------------------------------------------------------------------------------------------

HOSTILE = [
    *["a\0", "\ud800", "", " ", "-", '"', "()", "$where", ".*", "^a", "(a+)+$", "[", "a|b", "\\", "{}", "a" * 10_000],
    *["\u0301" * 50, "e\u0301", "😀", "👩‍👩‍👧", "-sourcing", '"event sourcing"', '"event', "İ", "ς", "%"],
    *["event\nsourcing", "\u202eevent", "a\u0000b", "$text", "event -sourcing"],
]


def test_hostile_texts(world: World) -> None:
    """F7: each is refused with a typed error, or means the words that it holds; nothing else comes of it."""

    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        await tek.questions.ask(ADA, QuestionDraft(title="Event Sourcing İΣ", body="e\u0301 😀 👩‍👩‍👧 where text b"))
        for text in HOSTILE:
            try:
                words = terms(text)
            except InvalidInput:
                with pytest.raises(InvalidInput):
                    await tek.questions.search(BEN, text)
                continue
            said = ("event", "sourcing", "i\u0307σ", "e\u0301", "😀", "👩‍👩‍👧", "where", "text", "b")
            expected = all(any(each.startswith(word) for each in said) for word in words)
            page = await tek.questions.search(BEN, text)
            assert (len(page), page.by) == (expected, "words"), text

    world.run(scenario)


@pytest.mark.lanes(REAL)
def test_a_real_server_answers_by_its_text_index(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(policy=without_reactions())
        await tek.setup()
        for title in ("Event Sourcing", "Events without", "Hidden event"):
            await tek.questions.ask(
                ADA, QuestionDraft(title=title, body="x", visibility="private" if "Hidden" in title else "public")
            )
        found = {"event": 2, "event -sourcing": 1, '"sourcing event"': 1, "vent": 0, "EVENTS": 1}
        for text, expected in found.items():
            page = await tek.questions.search(BEN, text)
            assert (page.by, len(page)) == ("text", expected), text
        page = await tek.questions.search(BEN, "event", limit=1)
        assert len(await tek.questions.search(BEN, "event", after=page.next)) == 1

    world.run(scenario)
