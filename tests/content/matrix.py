"""Who sees what: a stage with somebody of each kind and a thing of each kind, every way to look, and an oracle."""

from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

from tektree import Principal
from tektree.errors import NotFound
from tektree.models.accounts import User
from tektree.models.answers import AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tests.content.worlds import principal

__all__ = ["OWNER", "STATES", "VIEWERS", "Look", "Stage", "amiss", "oracle", "people", "staged"]

Look = Callable[[Principal | None], Awaitable[bool]]
"""Whether a viewer sees it that way."""

OWNER, WORD = principal("owner"), "zeitgeist"
VIEWERS: dict[str, Principal | None] = {
    "anonymous": None,
    "owner": OWNER,
    "co-author": principal("sharer"),
    "connection": principal("friend"),
    "stranger": principal("stranger"),
    "blocked": principal("shut"),
    "moderator": principal("mod", "moderator"),
    "admin": principal("root", "admin"),
    # as the stranger is:
    "who asked": principal("asks"),
    "who was asked": principal("asked"),
    "who blocks": principal("shuts"),
    "who was removed": principal("gone"),
}
STATES = ("public", "private", "connections", "draft", "scheduled", "deleted")
KINDS = ("area", "question", "answer", "insight", "profile")


def oracle(viewer: str, kind: str, state: str) -> bool:
    """By the words of the documentation alone."""
    if state == "deleted":
        return False
    if viewer == "owner":
        return True
    if viewer == "co-author" and kind == "insight":
        return True
    if state in ("draft", "scheduled"):
        return False
    if viewer == "admin" or state == "public":
        return True
    return state == "connections" and viewer in ("connection", "moderator")


def people(at: datetime, state: str) -> Iterator[User]:
    """Everybody's accounts; the owner's profile is in this state."""
    for who in VIEWERS.values():
        if who is not None:
            name = who.uid.removeprefix("usr_")
            yield User(
                id=who.id,
                uid=who.uid,
                email=f"{name}@example.com",
                handle=name,
                role=who.role,
                created_at=at,
                updated_at=at,
                profile_visibility=state if who == OWNER and state in ("private", "connections") else "public",
            )


class Stage:
    """What was made, and every way to look at it, by kind and name."""

    def __init__(self, tek: Any, state: str, now: datetime) -> None:
        self.tek = tek
        self.now = now
        self.state = state
        self.looks: dict[str, dict[str, Look]] = {kind: {} for kind in KINDS}

    def by(self, kind: str, name: str, look: Callable[[Any], Awaitable[Any]]) -> None:
        """One thing, or `NotFound`."""

        async def found(viewer: Principal | None) -> bool:
            try:
                await look(viewer)
            except NotFound:
                return False
            return True

        self.looks[kind][name] = found

    def among(
        self, kind: str, name: str, look: Callable[[Any], Awaitable[Any]], id: str, hidden: Collection[str] = ()
    ) -> None:
        """One of a page that has nothing else in it than what everybody sees; or the page itself is `NotFound`."""

        async def found(viewer: Principal | None) -> bool:
            try:
                page = await look(viewer)
            except NotFound:
                return False
            assert set(hidden).isdisjoint([each.id for each in page])
            return id in [each.id for each in page]

        self.looks[kind][name] = found

    def told(self, kind: str, name: str, look: Callable[[Any], Awaitable[Any]], texts: Collection[str]) -> None:
        """What something else says of it: all of these texts, or none."""

        async def found(viewer: Principal | None) -> bool:
            said = repr(await look(viewer))
            return bool([text for text in texts if text in said])

        self.looks[kind][name] = found

    def of_areas(self, area: Any, top: Any, child: Any, filed: Any) -> None:
        areas, questions = self.tek.areas, self.tek.questions
        self.by("area", "get", lambda who: areas.get(who, area.id))
        self.by("area", "by_slug", lambda who: areas.by_slug(who, area.slug))
        self.by("area", "children", lambda who: areas.children(who, area.id))
        self.among("area", "children of its parent", lambda who: areas.children(who, top.id), area.id)
        self.among("area", "search", lambda who: areas.search(who, f"{WORD} area"), area.id)
        names = (area.id, area.slug, WORD)
        self.told("area", "breadcrumbs", lambda who: areas.get(who, child.id), names)
        self.told("area", "breadcrumbs by slug", lambda who: areas.by_slug(who, child.slug), names)
        self.told("area", "breadcrumbs in a search", lambda who: areas.search(who, "child"), names)
        self.told("area", "areas of a question", lambda who: questions.get(who, filed.id), names)
        self.told("area", "areas in a list", lambda who: questions.list(who, tag="filed"), names)
        self.told("area", "areas in a search", lambda who: questions.search(who, "filed"), names)
        self.by("area", "a list of it", lambda who: questions.list(who, area=area.id))

    def of_questions(self, question: Any, top: Any) -> None:
        questions, answers = self.tek.questions, self.tek.answers
        self.by("question", "get", lambda who: questions.get(who, question.id))
        self.by("question", "by_slug", lambda who: questions.by_slug(who, question.slug))
        self.by("question", "answers", lambda who: answers.list(who, question.id))
        for name, which in {
            "all": {},
            "by area": {"area": top.id},
            "by author": {"author": OWNER.id},
            "by tag": {"tag": "hot"},
            "by status": {"status": "open"},
            "by votes": {"order": "most_voted"},
        }.items():
            self.among("question", f"list {name}", lambda who, which=which: questions.list(who, **which), question.id)  # type: ignore[misc]
        self.among("question", "search", lambda who: questions.search(who, f"{WORD} question"), question.id)

    def of_answers(self, answer: Any, question: Any) -> None:
        answers = self.tek.answers
        self.by("answer", "get", lambda who: answers.get(who, answer.id))
        self.among("answer", "list", lambda who: answers.list(who, question.id), answer.id)
        self.among("answer", "list by votes", lambda who: answers.list(who, question.id, order="most_voted"), answer.id)

    def of_insights(self, insight: Any, top: Any) -> None:
        insights = self.tek.insights
        self.by("insight", "get", lambda who: insights.get(who, insight.id))
        self.by("insight", "by_slug", lambda who: insights.by_slug(who, insight.slug))
        for name, which in {
            "all": {},
            "by area": {"area": top.id},
            "by author": {"author": OWNER.id},
            "by tag": {"tag": "hot"},
            "by status": {"status": {"draft": "draft", "scheduled": "scheduled"}.get(self.state, "published")},
            "by likes": {"order": "most_liked"},
        }.items():
            self.among("insight", f"list {name}", lambda who, which=which: insights.list(who, **which), insight.id)  # type: ignore[misc]
        if insight.featured:
            self.among("insight", "list of the featured", lambda who: insights.list(who, order="featured"), insight.id)
        self.among("insight", "search", lambda who: insights.search(who, f"{WORD} insight"), insight.id)

    def of_profiles(self) -> None:
        self.by("profile", "profile", lambda who: self.tek.accounts.profile(who, OWNER.id))


async def related(tek: Any) -> None:
    """Who is what to the owner."""
    calls = tek.connections
    for name in ("connection", "blocked", "who blocks", "who was removed"):
        await calls.request(VIEWERS[name], OWNER.id)
        await calls.accept(OWNER, VIEWERS[name].id)  # type: ignore[union-attr]
    await calls.block(OWNER, VIEWERS["blocked"].id)  # type: ignore[union-attr]
    await calls.request(VIEWERS["blocked"], OWNER.id)
    await calls.block(VIEWERS["who blocks"], OWNER.id)
    await calls.remove(OWNER, VIEWERS["who was removed"].id)  # type: ignore[union-attr]
    await calls.request(VIEWERS["who asked"], OWNER.id)
    await calls.request(OWNER, VIEWERS["who was asked"].id)  # type: ignore[union-attr]


async def staged(tek: Any, state: str, now: datetime, *, change: bool = False) -> Stage:
    """Everything in this state; ``change``: it was public first. The accounts are there."""
    stage, shown = Stage(tek, state, now), state if state in ("private", "connections") else "public"
    first = "public" if change else shown
    await related(tek)
    await _insight(stage, first, shown)
    if state not in ("draft", "scheduled"):
        await _content(stage, first, shown)
        stage.of_profiles()
    if state == "deleted":
        await tek.accounts.erase(VIEWERS["admin"], OWNER.id)
    return stage


async def _insight(stage: Stage, first: str, shown: str) -> None:
    tek, sharer = stage.tek, VIEWERS["co-author"]
    top = await tek.areas.create(VIEWERS["stranger"], AreaDraft(title="Top of insights"))
    draft = InsightDraft(title=f"{WORD} insight", body="b", tags=["hot"], areas=[top.id], visibility=first)
    insight = await tek.insights.draft(OWNER, draft)
    await tek.insights.invite(OWNER, insight.id, VIEWERS["connection"].id)  # type: ignore[union-attr]
    await tek.insights.invite(OWNER, insight.id, sharer.id)  # type: ignore[union-attr]
    await tek.insights.consent(sharer, insight.id)
    if stage.state == "scheduled":
        await tek.insights.publish(OWNER, insight.id, at=stage.now + timedelta(milliseconds=1))
    elif stage.state != "draft":
        await tek.insights.publish(OWNER, insight.id)
        insight = await tek.insights.feature(VIEWERS["admin"], insight.id)
    if first != shown:
        await tek.insights.edit(OWNER, insight.id, visibility=shown)
    if stage.state == "deleted":
        await tek.insights.delete(OWNER, insight.id)
    stage.of_insights(insight, top)


async def _content(stage: Stage, first: str, shown: str) -> None:
    tek, other = stage.tek, VIEWERS["stranger"]
    top = await tek.areas.create(other, AreaDraft(title="Top"))
    area = await tek.areas.create(OWNER, AreaDraft(title=f"{WORD} area", parent_id=top.id, visibility=first))
    child = await tek.areas.create(OWNER, AreaDraft(title="Child", parent_id=area.id))
    draft = QuestionDraft(title="Filed", body="b", tags=["filed"], areas=[top.id, area.id])
    filed = await tek.questions.ask(OWNER, draft)
    draft = QuestionDraft(title=f"{WORD} question", body="b", tags=["hot"], areas=[top.id], visibility=first)
    question = await tek.questions.ask(OWNER, draft)
    answer = await tek.answers.post(OWNER, question.id, AnswerDraft(body="a"))
    if first != shown:
        await tek.areas.edit(OWNER, area.id, visibility=shown)
        await tek.questions.edit(OWNER, question.id, visibility=shown)
    if stage.state == "deleted":
        await tek.areas.move(OWNER, child.id, None)
        await tek.areas.delete(OWNER, area.id)
        await tek.questions.delete(OWNER, question.id)
    stage.of_areas(area, top, child, filed)
    stage.of_questions(question, top)
    stage.of_answers(answer, question)


async def amiss(stage: Stage) -> list[str]:
    """The cells that are not what the oracle says, in words."""
    wrong = []
    for kind, looks in stage.looks.items():
        for path, look in looks.items():
            for name, viewer in VIEWERS.items():
                if await look(viewer) is not oracle(name, kind, stage.state):
                    wrong.append(f"{kind} {stage.state}, {path}: {name}")
    return wrong
