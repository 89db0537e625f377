"""The table of roles as the documentation has it: each cell by what the services do, and no verb left out."""

import re
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from tektree.errors import Forbidden
from tektree.models.accounts import Role
from tektree.models.answers import AnswerDraft
from tektree.models.areas import AreaDraft
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tests.content import test_answers, test_areas, test_insights, test_questions
from tests.content.worlds import POLICY, World, refused, stored

ROLES: tuple[Role, ...] = get_args(Role)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "roles.md"
DOCS = {
    verb: dict(zip(ROLES, [cell.strip() for cell in cells.split("|")], strict=True))
    for verb, cells in re.findall(r"^\| `([a-z_.]+)` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
}
"""By verb and role, whose things it reaches, in the page's words."""


def says(verb: str, role: Role, other: Role | None) -> bool:
    """Whether the page lets somebody do it to what another of that role owns; None: to their own."""
    cell = DOCS[verb][role]
    if other is None:
        return cell.startswith("own") or cell == "all"
    lower = ROLES.index(other) < ROLES.index(role)
    return cell in ("all", "others'") or ("of lower roles" in cell and lower)


async def question(tek: Any, owner: Any) -> Any:
    return await tek.questions.ask(owner, QuestionDraft(title="How?", body="b"))


async def answered(tek: Any, owner: Any, third: Any, *, accepted: bool = False) -> Any:
    answer = await tek.answers.post(third, (await question(tek, owner)).id, AnswerDraft(body="b"))
    if accepted:
        await tek.answers.accept(owner, answer.id)
    return answer


async def follow(tek: Any, actor: Any, owner: Any, third: Any) -> None:
    await tek.areas.follow(actor, (await tek.areas.create(owner, AreaDraft(title="Area"))).id)


async def accept(tek: Any, actor: Any, owner: Any, third: Any) -> None:
    await tek.answers.accept(actor, (await answered(tek, owner, third)).id)


async def unaccept(tek: Any, actor: Any, owner: Any, third: Any) -> None:
    await tek.answers.unaccept(actor, (await answered(tek, owner, third, accepted=True)).id)


async def vote(tek: Any, actor: Any, owner: Any, third: Any) -> None:
    await tek.votes.cast(actor, await question(tek, owner), 1)


ACTS: dict[str, Any] = {
    "area.follow": follow,
    "answer.accept": accept,
    "answer.unaccept": unaccept,
    "vote.cast": vote,
    "connection.request": lambda tek, actor, owner, third: tek.connections.request(actor, owner.id),
    "connection.block": lambda tek, actor, owner, third: tek.connections.block(actor, owner.id),
}


async def consent(tek: Any, actor: Any, third: Any) -> None:
    insight = await tek.insights.draft(third, InsightDraft(title="Why", body="b"))
    await tek.insights.invite(third, insight.id, actor.id)
    await tek.insights.consent(actor, insight.id)


async def accept_a_request(tek: Any, actor: Any, third: Any) -> None:
    await tek.connections.request(third, actor.id)
    await tek.connections.accept(actor, third.id)


async def answer(tek: Any, actor: Any, third: Any) -> None:
    await tek.answers.post(actor, (await question(tek, third)).id, AnswerDraft(body="b"))


MAKES: dict[str, Any] = {
    "area.create": lambda tek, actor, third: tek.areas.create(actor, AreaDraft(title="Area")),
    "question.ask": lambda tek, actor, third: question(tek, actor),
    "answer.post": answer,
    "insight.draft": lambda tek, actor, third: tek.insights.draft(actor, InsightDraft(title="Why", body="b")),
    "insight.consent": consent,
    "connection.accept": accept_a_request,
    "connection.remove": lambda tek, actor, third: tek.connections.remove(actor, third.id),
    "connection.unblock": lambda tek, actor, third: tek.connections.unblock(actor, third.id),
}
"""What is made new, and what nobody can name of others: there is no argument for whose it is."""


@pytest.mark.parametrize("verb", ACTS)
def test_every_cell_of_the_page(world: World, verb: str) -> None:
    """E8, E10, E13: each role, to what each role owns and to one's own, by the stored roles."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        third = await stored(world, "third")
        for at, (role, other) in enumerate(product(ROLES, (*ROLES, None))):
            actor = await stored(world, f"a{at}", role)
            owner = actor if other is None else await stored(world, f"b{at}", other)
            call = ACTS[verb](tek, actor, owner, third)
            await (call if says(verb, role, other) else refused(Forbidden, call))

    world.run(scenario)


@pytest.mark.parametrize("verb", MAKES)
def test_what_is_ones_own_by_its_making(world: World, verb: str) -> None:
    """E6, E8: every role may, and nobody for another."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        third = await stored(world, "third")
        for role in ROLES:
            assert DOCS[verb][role] == "own"
            await MAKES[verb](tek, await stored(world, f"a{role}", role), third)

    world.run(scenario)


def test_no_verb_of_the_page_is_left_out() -> None:
    """Those of accounts, sessions and subscriptions are tried beside them."""
    tried = {*ACTS, *MAKES}
    for module, kind in ((test_areas, "area"), (test_questions, "question"), (test_answers, "answer")):
        tried |= {*module.ACTS, f"{kind}.restore"}
    tried |= {*test_insights.ACTS, "insight.restore"}
    ours = {verb for verb in DOCS if not verb.startswith(("account.", "session.", "subscription."))}
    assert tried == ours
    assert len(DOCS) > len(ours) > 30
