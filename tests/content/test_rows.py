"""Rows of the security checklist that have no place among the verbs of content."""

import inspect
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tektree import Board
from tektree.errors import InvalidInput, NotFound
from tektree.models.answers import AnswerDraft, CodeSnippet
from tektree.models.areas import AreaDraft
from tektree.models.base import Json, Uid
from tektree.models.insights import InsightDraft
from tektree.models.payloads import Payload
from tektree.models.questions import QuestionDraft
from tests.accounts.worlds import registered
from tests.content.test_areas import ADA, BEN, made
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, refused


@pytest.mark.parametrize(
    "draft",
    [
        lambda: QuestionDraft(title="t", body="x" * 17_000_000),
        lambda: AreaDraft(title="t", details="x" * 17_000_000),
        lambda: AreaDraft(title="x" * 17_000_000),
        lambda: AnswerDraft(body="b", code_snippets=[CodeSnippet(language="go", code="x" * 99_000)] * 21),
        lambda: QuestionDraft(title="t", body="b", tags=[str(at) for at in range(100_000)]),
        lambda: QuestionDraft(title="t", body="b", areas=[ADA.id] * 100_000),
        lambda: QuestionDraft(title="t", body="b", files=["f"] * 100_000),
        lambda: InsightDraft(title="t", body="x" * 17_000_000),
        lambda: InsightDraft(title="t", body="b", areas=[ADA.id] * 100_000),
    ],
)
def test_what_is_too_much_is_refused_at_once(draft: Any) -> None:
    """F9, F10: on all backends alike, far from the 16 MB of a document."""
    began = time.process_time()
    with pytest.raises(InvalidInput):
        draft()
    assert time.process_time() - began < 1


def test_text_that_cannot_be_stored_is_refused(world: World) -> None:
    """F17, F18: in every field, made or edited."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area, question = await made(tek, "Go"), await asked(tek)
        for text in ("a\0", "\ud800"):
            for fields in ({"title": text}, {"tags": [text]}):
                with pytest.raises(InvalidInput):
                    AreaDraft(**{"title": "t", **fields})
                await refused(InvalidInput, tek.areas.edit(ADA, area.id, **fields))
                await refused(InvalidInput, tek.questions.edit(ADA, question.id, **fields))
            await refused(InvalidInput, tek.questions.edit(ADA, question.id, body=text))
            await refused(InvalidInput, tek.questions.close(ADA, question.id, text))

    world.run(scenario)


def test_a_stranger_who_sees_nothing_hides_nothing_from_the_author(world: World) -> None:
    """G16: in any order of reads."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek, visibility="private")
        for _ in range(2):
            await refused(NotFound, tek.questions.get(BEN, question.id))
            assert (await tek.questions.get(ADA, question.id)).id == question.id
            await refused(NotFound, tek.questions.by_slug(BEN, question.slug))
            assert (await tek.questions.by_slug(ADA, question.slug)).id == question.id

    world.run(scenario)


def test_no_read_lets_the_caller_name_fields_or_sort_by_one(world: World) -> None:
    """F4, F5: there is no projection, no sort and no filter by the name of a field."""
    tek = world.tek(POLICY)
    for service in (tek.areas, tek.questions, tek.answers, tek.insights, tek.connections, tek.accounts):
        inner = getattr(service, "inner", service)
        for name, method in inspect.getmembers(type(inner), inspect.isfunction):
            if not name.startswith("_"):
                taken = set(inspect.signature(method).parameters)
                assert taken.isdisjoint(
                    {"fields", "projection", "select", "sort", "sort_by", "filter", "where", "query"}
                )


class Noted(Payload, event="note.taken", by="notes"):
    """A host's own, with a map of its own."""

    user_id: Uid
    notes: Json


def test_names_that_python_or_storage_know_are_plain_data(world: World) -> None:
    """F3, F8, F11: they come back as they were told, and are nobody's attributes; what refers to itself is refused."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        notes = {
            "__class__": 1,
            "__proto__": {"constructor": "x"},
            "model_config": None,
            "_id": "7",
            "password_hash_": 0,
        }
        (tek.events if world.is_async else tek.events.inner).register(Noted)
        event = await tek.events.emit(Noted(user_id="usr_ada", notes=notes))
        [found] = (await tek.events.log(user_id="usr_ada")).items
        assert dict(found.payload["notes"]) == notes
        assert type(event) is type(found)
        loop: dict[str, Any] = {}
        loop["a"] = loop
        for bad in ({"a.b": 1}, {"$set": 1}, {"a": {"": 1}}, loop, {"n": 2**63}):
            with pytest.raises(InvalidInput):
                Noted(user_id="usr_ada", notes=bad)

    world.run(scenario)


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14))),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(2025, 1, 1),  # noqa: DTZ001
        0,
        1_702_742_400_000,
        "2025-01-01",
    ],
    ids=repr,
)
def test_times_that_no_storage_holds_are_refused(world: World, at: Any) -> None:
    """F19, F22, F23."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        insight = await tek.insights.draft(ADA, InsightDraft(title="t", body="b"))
        await refused(InvalidInput, tek.insights.publish(ADA, insight.id, at=at))

    world.run(scenario)


def test_who_is_on_no_board_leaves_no_gap(world: World) -> None:
    """G18: ranks are one after the other over those who are there.

    A board says nothing but uid, rank and score, so whose profile is not for everybody stands there, too, until they
    opt out.
    """

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        users = [await registered(tek, name) for name in ("ada", "ben", "cyd", "dan")]
        for at, user in enumerate(users):
            await tek.gamification.award(user.id, "manual", amount=100 - at, key="x")
        await tek.accounts.update_profile(users[2], profile_visibility="private")
        await tek.gamification.opt_out(users[1])
        top = await tek.leaderboards.top(Board.GLOBAL)
        assert [(each.rank, each.uid) for each in top] == [(1, users[0].uid), (2, users[2].uid), (3, users[3].uid)]
        assert await tek.leaderboards.rank(Board.GLOBAL, users[1].uid) is None
        assert await tek.leaderboards.around(Board.GLOBAL, users[1].uid) == []
        assert [each.rank for each in await tek.leaderboards.around(Board.GLOBAL, users[2].uid)] == [1, 2, 3]
        assert set(vars(top[0]) if hasattr(top[0], "__dict__") else top[0]._fields) == {"rank", "uid", "score"}
        await refused(NotFound, tek.accounts.profile(users[0], users[2].id))

    world.run(scenario)
