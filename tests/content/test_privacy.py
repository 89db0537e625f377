"""What is stored of a person's content is in the export. In memory, in both flavours."""

from tektree.models.areas import AreaDraft
from tests.content.test_answers import posted
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, enrolled


def test_an_export_holds_what_the_user_made(world: World) -> None:
    """K4: what was deleted and taken back, too; nothing that is another's."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await tek.accounts.register(email="ada@example.com", handle="ada_l", password="correct horse")
        ben = await enrolled(tek, "ben")
        area = await tek.areas.create(ada, AreaDraft(title="Sums"))
        theirs = await tek.areas.create(ben, AreaDraft(title="Theirs"))
        await tek.areas.follow(ada, theirs.id)
        mine = [await asked(tek, title, ada) for title in ("One", "Two")]
        other = await asked(tek, "Not mine", ben)
        await tek.questions.delete(ada, mine[1].id)
        answer = await posted(tek, other, ada)
        for value in (1, 0):
            await tek.votes.cast(ada, other, value)
        found = await tek.accounts.export(ada, ada.id)
        made = {kind: {each["id"] for each in found[kind]} for kind in ("areas", "questions", "answers")}
        assert made == {"areas": {area.id}, "questions": {each.id for each in mine}, "answers": {answer.id}}
        assert [each["area_id"] for each in found["follows"]] == [theirs.id]
        assert [(each["target_id"], each["value"]) for each in found["votes"]] == [(other.id, 0)]

    world.run(scenario)
