"""Who may do nothing any more: whose account is not active, in every command of content, also on what is their own."""

from typing import Any

import pytest

from tektree import Principal
from tektree.errors import Forbidden
from tektree.models.answers import AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.questions import QuestionDraft
from tests.content.test_answers import posted
from tests.content.test_areas import ADMIN, made
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, principal, refused, stored


async def owned(tek: Any, who: Any) -> dict[str, Any]:
    """Something of each kind that somebody made, and that another may be asked about."""
    question, other = await asked(tek, "Mine", who), await asked(tek, "Theirs", principal("other"))
    gone = await asked(tek, "Gone", who)
    await tek.questions.delete(who, gone.id)
    return {
        "area": await made(tek, "Mine", by=who),
        "question": question,
        "gone": gone,
        "answer": await posted(tek, question, who),
        "other": other,
        "theirs": await posted(tek, other, principal("other")),
    }


def commands(tek: Any, who: Any, own: dict[str, Any]) -> dict[str, Any]:
    """Every command of content, by its name."""
    area, question, answer = own["area"].id, own["question"].id, own["answer"].id
    return {
        "areas.create": lambda: tek.areas.create(who, AreaDraft(title="t")),
        "areas.edit": lambda: tek.areas.edit(who, area, title="t"),
        "areas.move": lambda: tek.areas.move(who, area, None),
        "areas.delete": lambda: tek.areas.delete(who, area),
        "areas.follow": lambda: tek.areas.follow(who, area),
        "areas.unfollow": lambda: tek.areas.unfollow(who, area),
        "questions.ask": lambda: tek.questions.ask(who, QuestionDraft(title="t", body="b")),
        "questions.edit": lambda: tek.questions.edit(who, question, body="x"),
        "questions.close": lambda: tek.questions.close(who, question),
        "questions.reopen": lambda: tek.questions.reopen(who, question),
        "questions.resolve": lambda: tek.questions.resolve(who, question),
        "questions.delete": lambda: tek.questions.delete(who, question),
        "answers.post": lambda: tek.answers.post(who, own["other"].id, AnswerDraft(body="b")),
        "answers.edit": lambda: tek.answers.edit(who, answer, body="x"),
        "answers.accept": lambda: tek.answers.accept(who, answer),
        "answers.unaccept": lambda: tek.answers.unaccept(who, answer),
        "answers.delete": lambda: tek.answers.delete(who, answer),
        "votes.cast": lambda: tek.votes.cast(who, own["theirs"], 1),
    }


@pytest.mark.parametrize("status", ["disabled", "erasing", "erased"])
def test_whose_account_is_not_active_does_nothing(world: World, status: str) -> None:
    """E8, E18: also with what is their own, and with what the host passes as them."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        user = await stored(world, "ada")
        own = await owned(tek, user)
        before = await world.store.accounts.by_id(user.id)
        await world.store.accounts.swap(before, user.evolve(status=status))
        for who in (user, principal("ada"), principal("ada", "admin")):
            for name, call in commands(tek, who, own).items():
                error = await refused(Forbidden, call())
                assert error.action.split(".")[0] + "s" == name.split(".")[0], name
        assert (await tek.questions.get(ADMIN, own["question"].id)).revision == own["question"].revision

    world.run(scenario)


def test_who_goes_by_anothers_uid_does_nothing(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        user = await stored(world, "ada")
        own = await owned(tek, user)
        for call in commands(tek, Principal(user.id, "usr_other"), own).values():
            await refused(Forbidden, call())

    world.run(scenario)
