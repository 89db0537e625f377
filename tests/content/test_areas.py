"""Areas: made, edited, moved, deleted, restored, followed and found, by whom it may be. In memory, in both flavours."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest

from tektree import AsyncTekTree, EntityRef, Policy, Principal, TekTree
from tektree.backends.memory import async_memory_backends, memory_backends
from tektree.errors import (
    ConfigurationError,
    Forbidden,
    InvalidCursor,
    InvalidInput,
    InvalidTransition,
    NotFound,
    OutcomeUnknown,
    QuotaExhausted,
    Stale,
    Unavailable,
)
from tektree.ids import derived_id
from tektree.models.accounts import Role
from tektree.models.areas import Area, AreaDraft
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tektree.rules.roles import TABLE
from tektree.testing import Call, Faulty
from tektree.testing.faults import around
from tests.accounts.test_roles import reaches
from tests.content.worlds import POLICY, World, enrolled, principal, refused, stored
from tests.rules.test_visibility import oracle

ADA, BEN, MOD, ADMIN = principal("ada"), principal("ben"), principal("mod", "moderator"), principal("root", "admin")
ROLES: tuple[Role, ...] = get_args(Role)


async def made(tek: Any, title: str, parent: Area | None = None, by: Principal = ADA, **more: Any) -> Area:
    draft = AreaDraft(title=title, parent_id=None if parent is None else parent.id, **more)
    found: Area = await tek.areas.create(by, draft)
    return found


async def swept(tek: Any) -> None:
    await tek.events.relay.run_once()


def test_a_life(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        top = await made(tek, "Programming", by=ada)
        area = await made(tek, "Event-Driven Architecture", top, by=ada, tags=["Events", "events"], details="d")
        assert (area.slug, area.tags, area.breadcrumbs) == (
            "event-driven-architecture",
            ("events",),
            "Programming > Event-Driven Architecture",
        )
        assert (area.parent_id, area.path, area.created_by, area.revision) == (top.id, (top.id,), ada.id, 1)
        assert await tek.areas.get(None, area.id) == area.evolve(slugs=())
        assert await tek.areas.get(ada, area.id) == area
        assert (await tek.gamification.profile(ada.id)).total_xp == 10
        edited = await tek.areas.edit(ada, area.id, title="EDA")
        assert (edited.slug, edited.revision) == ("eda", 2)
        for slug in ("eda", "EDA", "event-driven-architecture"):
            assert (await tek.areas.by_slug(BEN, slug)).id == area.id
        assert [each.id for each in await tek.areas.children(BEN, top.id)] == [area.id]
        assert [each.id for each in await tek.areas.search(BEN, "ED")] == [area.id]
        types = [each.event_type for each in (await tek.events.log(user_id="usr_ada")).items]
        assert types[::-1].count("area.created") == 2
        assert "area.updated" in types

    world.run(scenario)


def test_slugs_are_resolvable_and_unique(world: World) -> None:
    """C, C++ and C# are three; emoji have one; of one title each has its own."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        every = [await made(tek, title) for title in ("C", "C++", "C#", "🎉", "🎉", "C", "C", "a" * 200)]
        assert [each.slug for each in every[:3]] == ["c", "c-plus-plus", "c-sharp"]
        assert len({each.slug for each in every}) == len(every)
        for each in every:
            assert (await tek.areas.by_slug(None, each.slug)).id == each.id
        first, second = every[0], every[5]
        renamed = await tek.areas.edit(ADA, first.id, title="Old C")
        assert (await tek.areas.by_slug(None, "c")).id == first.id, "given up, and still its own"
        assert (await made(tek, "C")).slug not in ("c", second.slug)
        again = await tek.areas.edit(ADA, first.id, title="C")
        assert (again.slug, renamed.slug, again.slugs) == ("c", "old-c", ("old-c", "c"))

    world.run(scenario)


def test_what_is_hidden_leaves_plain_slugs_free(world: World) -> None:
    """G19: whoever makes the same title hears nothing of a hidden one."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        hidden = await made(tek, "Layoffs", visibility="private")
        assert hidden.slug.startswith("layoffs-")
        assert (await made(tek, "Layoffs", by=BEN)).slug == "layoffs"

    world.run(scenario)


# -- who sees what -----------------------------------------------------------------------------------------------------

VIEWERS = {"anonymous": None, "owner": ADA, "stranger": BEN, "moderator": MOD, "admin": ADMIN}
STATES = ("public", "private", "connections", "deleted")


async def in_state(tek: Any, state: str, parent: Area | None = None) -> Area:
    area = await made(tek, f"Thing {state}", parent, visibility="public" if state == "deleted" else state)
    if state == "deleted":
        await tek.areas.delete(ADA, area.id)
    return area


async def found(call: Any) -> bool:
    try:
        await call
    except NotFound:
        return False
    return True


@pytest.mark.parametrize("state", STATES)
def test_the_matrix_on_every_path(world: World, state: str) -> None:
    """E8, E9, G8, G9, G20: by id, slug, list and search every viewer sees what the oracle says."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        top = await made(tek, "Top")
        area = await in_state(tek, state, top)
        for name, viewer in VIEWERS.items():
            expected = oracle(name, state, "area")
            assert await found(tek.areas.get(viewer, area.id)) is expected, name
            assert await found(tek.areas.by_slug(viewer, area.slug)) is expected, name
            assert await found(tek.areas.children(viewer, area.id)) is expected, name
            assert [each.id for each in await tek.areas.children(viewer, top.id)] == [area.id] * expected, name
            assert [each.id for each in await tek.areas.search(viewer, "thing")] == [area.id] * expected, name
            if viewer is not None:
                assert await found(tek.areas.follow(viewer, area.id)) is expected, name
                assert await found(tek.areas.create(viewer, AreaDraft(title="x", parent_id=area.id))) is expected, name
                assert await found(tek.areas.move(ADA, top.id, None)), name

    world.run(scenario)


@pytest.mark.parametrize("state", ["private", "connections", "deleted"])
def test_what_is_hidden_is_as_what_is_absent(world: World, state: str) -> None:
    """E9, E16: the same error, after the same calls."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        plain, tek = world.tek(POLICY), world.tek(POLICY, faulty.backends)
        area = await in_state(plain, state)
        absent = derived_id("area", "absent")
        calls: dict[str, Any] = {
            "get": lambda id: tek.areas.get(BEN, id),
            "children": lambda id: tek.areas.children(BEN, id),
            "edit": lambda id: tek.areas.edit(BEN, id, title="x"),
            "move": lambda id: tek.areas.move(BEN, id, None),
            "delete": lambda id: tek.areas.delete(BEN, id),
            "follow": lambda id: tek.areas.follow(BEN, id),
            "below": lambda id: tek.areas.create(BEN, AreaDraft(title="x", parent_id=id)),
            "restore": lambda id: tek.areas.restore(BEN, id),
            "question": lambda id: tek.questions.ask(BEN, QuestionDraft(title="x", body="y", areas=[id])),
            "insight": lambda id: tek.insights.draft(BEN, InsightDraft(title="x", body="y", areas=[id])),
        }
        for name, call in calls.items():
            said, sent = [], []
            for id in (area.id, absent):
                faulty.calls.clear()
                error = await refused(NotFound, call(id))
                assert error.__context__ is None, "nor is there another error behind it"
                said.append(str(error).replace(id, "…"))
                sent.append(list(faulty.calls))
            assert said[0] == said[1], name
            assert sent[0] == sent[1], name
        errors = [await refused(NotFound, tek.areas.by_slug(BEN, slug)) for slug in (area.slug, "absent")]
        assert [str(each).replace(area.slug, "absent") for each in errors] == [str(errors[1])] * 2

    world.run(scenario)


def test_nothing_above_that_is_hidden_is_named(world: World) -> None:
    """G10, G20: no title, id or number of it."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        top = await made(tek, "Top")
        secret = await made(tek, "Secret", top, visibility="private")
        leaf = await made(tek, "Leaf", secret)
        for viewer in (None, BEN, MOD):
            for area in (
                await tek.areas.get(viewer, leaf.id),
                await tek.areas.by_slug(viewer, "leaf"),
                next(iter(await tek.areas.search(viewer, "leaf"))),
            ):
                assert (area.parent_id, area.path, area.breadcrumbs) == (None, (top.id,), "Top > Leaf")
                assert secret.id not in repr(area)
        for viewer in (ADA, ADMIN):
            area = await tek.areas.get(viewer, leaf.id)
            assert (area.parent_id, area.path) == (secret.id, (top.id, secret.id))
            assert area.breadcrumbs == "Top > Secret > Leaf"
        kept = await world.store.areas.by_id(leaf.id)
        assert kept.record.breadcrumbs == "Top > Leaf", "whoever else reads the document sees no more"
        told = repr((await tek.events.log(user_id="usr_ada")).items)
        assert "Secret" not in told
        assert "secret" not in told

    world.run(scenario)


def test_what_becomes_private_is_gone_at_once(world: World) -> None:
    """G13: on every path, also behind a cursor from before."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        top = await made(tek, "Top")
        areas = [await made(tek, f"Thing {at}", top) for at in range(4)]
        pages = [await tek.areas.children(BEN, top.id, limit=1), await tek.areas.search(BEN, "thing", limit=1)]
        await tek.areas.edit(ADA, areas[0].id, visibility="private")
        await tek.areas.edit(ADA, areas[1].id, visibility="connections")
        await tek.areas.edit(ADA, top.id, visibility="private")
        left = {areas[2].id, areas[3].id}
        await refused(NotFound, tek.areas.children(BEN, top.id, after=pages[0].next))
        rest = await tek.areas.search(BEN, "thing", after=pages[1].next)
        assert {each.id for each in (*pages[1], *rest)} - left <= {pages[1].items[0].id}
        assert {each.breadcrumbs for each in rest} <= {"Thing 2", "Thing 3"}
        await swept(tek)
        kept = [(await world.store.areas.by_id(each.id)).record.breadcrumbs for each in areas]
        assert kept == [f"Thing {at}" for at in range(4)]

    world.run(scenario)


# -- edits -------------------------------------------------------------------------------------------------------------


def test_an_edit_based_on_what_is_not_so_any_more_is_stale(world: World) -> None:
    """J10: by the revision that its author saw, or by the fields that another changed meanwhile."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area = await made(tek, "Go")
        await tek.areas.edit(ADA, area.id, revision=1, details="first")
        await refused(Stale, tek.areas.edit(ADA, area.id, revision=1, details="second"))
        assert (await tek.areas.edit(ADA, area.id, revision=2, details="second")).revision == 3
        assert (await tek.areas.edit(ADA, area.id, details="second")).revision == 3, "nothing changed"

    world.run(scenario)


def test_of_edits_that_meet_none_is_lost_in_silence(world: World) -> None:
    """J10: of the same field one is stale or came after; different fields are both set."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        area = await made(teks[0], "Go")
        for turn in range(5):
            ends = await asyncio.gather(
                teks[0].areas.edit(ADA, area.id, details=f"left {turn}"),
                teks[1].areas.edit(ADA, area.id, tags=[f"right-{turn}"]),
                return_exceptions=True,
            )
            assert [type(end) for end in ends] == [Area, Area], ends
            now = await teks[0].areas.get(ADA, area.id)
            assert (now.details, now.tags) == (f"left {turn}", (f"right-{turn}",))
        before = await teks[0].areas.get(ADA, area.id)
        ends = await asyncio.gather(
            *[teks[at].areas.edit(ADA, area.id, details=f"mine {at}") for at in range(2)], return_exceptions=True
        )
        won = [at for at, end in enumerate(ends) if isinstance(end, Area)]
        now = await teks[0].areas.get(ADA, area.id)
        assert all(isinstance(end, Area | Stale) for end in ends)
        assert now.details in [f"mine {at}" for at in won]
        assert now.revision == before.revision + len(won)

    world.run(scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_by", BEN.id),
        ("parent_id", None),
        ("slug", "x"),
        ("content_count", 9),
        ("visibility", None),
        ("$set", {}),
    ],
)
def test_nothing_else_can_be_set(world: World, field: str, value: Any) -> None:
    """E1, E2, E3, E6, F2: and nothing is written."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area = await made(tek, "Go")
        await refused(InvalidInput, tek.areas.edit(ADA, area.id, **{field: value}))
        await refused(InvalidInput, tek.areas.create(ADA, {"title": "x", field: value}))
        assert await tek.areas.get(ADA, area.id) == area

    world.run(scenario)


CURSOR = f"1-{ADA.id}"
"""In the form of a cursor, and of no list."""

HOSTILE = [None, 7, True, b"x", "", "x" * 24, "A" * 24, {"$ne": None}, {"$gt": ""}, ["a"], "\ud800", "a\0"]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_bad_input_is_refused_before_anything_is_read(world: World, value: Any) -> None:
    """F1, F14, F15, F17, F25, G1: in every parameter."""

    async def scenario(world: World) -> None:
        faulty = Faulty(world.backends)
        tek = world.tek(POLICY, faulty.backends)
        calls = [
            tek.areas.get(BEN, value),
            tek.areas.edit(BEN, value, title="x"),
            tek.areas.delete(BEN, value),
            tek.areas.restore(BEN, value),
            tek.areas.follow(BEN, value),
            tek.areas.unfollow(BEN, value),
            tek.areas.create(BEN, value),
            tek.areas.children(BEN, limit=value if type(value) is not int else 0),
            tek.areas.search(BEN, "x", limit=value if type(value) is not int else 101),
        ]
        if value is not None:
            calls += [tek.areas.children(BEN, after=value), tek.areas.get(value, ADA.id)]
            calls += [tek.areas.children(BEN, value), tek.areas.children(BEN, value, CURSOR)]
            calls += [tek.areas.edit(BEN, ADA.id, title="x", revision=value if type(value) is not int else -1)]
        if type(value) is not str or not value.strip("x"):
            calls += [tek.areas.by_slug(BEN, value)] if type(value) is not str or not value else []
        if type(value) is not str:
            calls += [tek.areas.search(BEN, value)]
        for call in calls:
            await refused_as(InvalidInput, call)
        assert faulty.calls == []

    world.run(scenario)


async def refused_as(error: type[Exception], call: Any) -> None:
    with pytest.raises(error):
        await call


@pytest.mark.parametrize("text", [".*", "(a+)+$", '"', "-word", "$where", "a" * 201, "one " * 50, "🎉 " * 3])
def test_a_search_takes_words_for_themselves(world: World, text: str) -> None:
    """F7."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        await made(tek, "anything a word where")
        try:
            found = [each.title for each in await tek.areas.search(None, text)]
        except InvalidInput:
            return
        assert found in ([], ["anything a word where"])
        assert found == [] or text in ("-word", "(a+)+$", "$where", "one " * 50)

    world.run(scenario)


def test_a_cursor_fits_its_own_list(world: World) -> None:
    """G3, G4: of the same viewer, parent and words."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        top = await made(tek, "Top")
        for at in range(3):
            await made(tek, f"Thing {at}", top)
        one = await tek.areas.children(BEN, top.id, limit=1)
        two = await tek.areas.children(BEN, top.id, after=one.next, limit=2)
        assert [each.title for each in (*one, *two)] == [each.title for each in await tek.areas.children(BEN, top.id)]
        assert two.next is None
        other = await tek.areas.search(BEN, "thing", limit=1)
        for call in (
            tek.areas.children(ADA, top.id, after=one.next),
            tek.areas.children(None, top.id, after=one.next),
            tek.areas.children(BEN, None, after=one.next),
            tek.areas.search(BEN, "thing", after=one.next),
            tek.areas.search(BEN, "things", after=other.next),
            tek.areas.children(BEN, top.id, after=one.next + "0"),
        ):
            await refused(InvalidCursor, call)

    world.run(scenario)


# -- the tree ----------------------------------------------------------------------------------------------------------


async def tree(world: World) -> dict[str, Any]:
    """By title: the parent's title, the titles of the path, the breadcrumbs, as they are stored."""
    records = {id: each.record for id, each in world.backends.areas._stored.items()}
    return {
        each.title: (
            records[each.parent_id].title if each.parent_id else None,
            [records[id].title for id in each.path],
            each.breadcrumbs,
        )
        for each in records.values()
        if each.deleted_at is None
    }


def test_the_whole_subtree_follows(world: World) -> None:
    """Renamed, moved, hidden, deleted, restored: breadcrumbs and paths below are right."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        a = await made(tek, "A")
        b = await made(tek, "B", a)
        c = await made(tek, "C", b)
        await made(tek, "D", c)
        other = await made(tek, "O")
        assert (await tree(world))["D"] == ("C", ["A", "B", "C"], "A > B > C > D")
        await tek.areas.edit(ADA, b.id, title="B2")
        assert (await tree(world))["D"] == ("C", ["A", "B2", "C"], "A > B2 > C > D")
        moved = await tek.areas.move(ADA, b.id, other.id)
        assert (moved.breadcrumbs, moved.parent_id) == ("O > B2", other.id)
        assert (await tree(world))["D"] == ("C", ["O", "B2", "C"], "O > B2 > C > D")
        await tek.areas.edit(ADA, b.id, visibility="private")
        assert (await tree(world))["D"] == ("C", ["O", "B2", "C"], "O > C > D")
        await tek.areas.edit(ADA, b.id, visibility="public")
        await tek.areas.move(ADA, c.id, None)
        assert (await tree(world))["D"] == ("C", ["C"], "C > D")
        assert (await tree(world))["B2"] == ("O", ["O"], "O > B2")
        assert await tek.areas.move(ADA, c.id, None) == await tek.areas.get(ADA, c.id), "it is there already"

    world.run(scenario)


def test_no_circle_and_not_too_deep(world: World) -> None:
    """J32."""

    async def scenario(world: World) -> None:
        tek = world.tek(Policy(**{**dict(POLICY), "content": {"area_depth": 3}}))
        a = await made(tek, "A")
        b = await made(tek, "B", a)
        c = await made(tek, "C", b)
        for target in (a, b, c):
            await refused(InvalidTransition, tek.areas.move(ADA, a.id, target.id))
        await refused(InvalidTransition, made(tek, "D", c))
        x = await made(tek, "X")
        y = await made(tek, "Y", x)
        await refused(InvalidTransition, tek.areas.move(ADA, x.id, b.id))
        await tek.areas.move(ADA, y.id, b.id)
        await tek.areas.move(ADA, x.id, b.id)
        assert (await tree(world))["X"] == ("B", ["A", "B"], "A > B > X")

    world.run(scenario)


def test_a_circle_that_others_wrote_is_broken_by_a_move(world: World) -> None:
    """Written past the package, say; the area that goes to the top takes the others with it."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        x = await made(tek, "X")
        y = await made(tek, "Y", x)
        found = await world.store.areas.by_id(x.id)
        await world.store.areas.swap(found, found.record.evolve(parent_id=y.id))
        assert await tek.areas.get(None, y.id)
        await tek.areas.move(ADA, x.id, None)
        assert await tree(world) == {"X": (None, [], "X"), "Y": ("X", ["X"], "X > Y")}
        assert await tek.events.recount()

    world.run(scenario)


def test_moves_that_meet_make_no_circle(world: World) -> None:
    """J32: pairs and rings of three, from different processes; what is left is a tree, and right."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(3)]
        for turn, size in enumerate((2, 2, 2, 3, 3)):
            ring = [await made(teks[0], f"R{turn}{at}") for at in range(size)]
            below = [await made(teks[0], f"L{turn}{at}", each) for at, each in enumerate(ring)]
            ends = await asyncio.gather(
                *[teks[at].areas.move(ADA, ring[at].id, below[(at + 1) % size].id) for at in range(size)],
                return_exceptions=True,
            )
            assert all(isinstance(end, Area | InvalidTransition | Stale) for end in ends), ends
            assert 1 <= sum([isinstance(end, Area) for end in ends]) < size
        await swept(teks[0])
        found = await tree(world)
        for title, (parent, path, crumbs) in found.items():
            up, at = [], parent
            while at is not None:
                assert at not in up, "a circle"
                up.append(at)
                at = found[at][0]
            assert path == up[::-1]
            assert crumbs == " > ".join([*path, title])

    world.run(scenario)


def test_an_area_with_others_below_it_stays(world: World) -> None:
    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        top = await made(tek, "Top")
        leaf = await made(tek, "Leaf", top)
        await refused(InvalidTransition, tek.areas.delete(ADA, top.id))
        await tek.areas.delete(ADA, leaf.id)
        await tek.areas.delete(ADA, top.id)
        await refused(NotFound, tek.areas.get(ADA, top.id))
        await refused(NotFound, tek.areas.delete(ADA, top.id))
        back = await tek.areas.restore(ADA, leaf.id)
        assert (back.parent_id, back.breadcrumbs) == (None, "Leaf")
        await tek.areas.restore(ADA, top.id)
        assert (await tek.areas.get(ADA, leaf.id)).breadcrumbs == "Top > Leaf"
        assert (await tree(world))["Leaf"] == ("Top", ["Top"], "Top > Leaf")

    world.run(scenario)


# -- XP, quotas, roles, follows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("away", [False, True])
def test_an_area_that_comes_while_what_is_above_is_hidden_is_taken_back(away: bool) -> None:
    """Where storage is away just then, nobody knows what came of it."""

    async def scenario() -> None:
        store = async_memory_backends()
        plain = AsyncTekTree(store, POLICY)
        top = await made(plain, "Top")
        below: list[str] = []

        async def step(call: Call, make: Callable[[], Awaitable[Any]]) -> Any:
            if away and str(call) == "areas.swap":
                raise Unavailable("areas")
            done = await make()
            if str(call) == "areas.insert":
                below.append(done.record.id)
                await plain.areas.edit(ADA, top.id, visibility="private")
            return done

        tek = AsyncTekTree(around(store, step), POLICY)
        await refused(OutcomeUnknown if away else NotFound, made(tek, "Below", top, BEN))
        stored = await store.areas.by_id(below[0])
        assert (stored.record.deleted_at is None) is away

    asyncio.run(scenario())


def test_deleting_takes_back_and_restoring_gives_again(world: World) -> None:
    """Fifty times: never more than the first grant."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        ada = await enrolled(tek, "ada")
        area = await made(tek, "Go", by=ada)
        for _ in range(50):
            assert (await tek.gamification.profile(ada.id)).total_xp == 5
            await tek.areas.delete(ada, area.id)
            assert (await tek.gamification.profile(ada.id)).total_xp == 0
            await tek.areas.restore(ada, area.id)
        assert await tek.gamification.verify(ada.id)
        rows = (await tek.gamification.history(ada.id, limit=100)).items
        assert {row.about for row in rows} == {EntityRef("area", area.id)}

    world.run(scenario)


def test_quotas(world: World) -> None:
    """Three areas a month on the free tier; what fails uses nothing; lost counts are what was created."""

    async def scenario(world: World) -> None:
        tek = world.tek(Policy(passwords={"bcrypt_cost": 10}))
        top = await made(tek, "A")
        await refused(NotFound, made(tek, "B", Area(**{**dict(top), "id": derived_id("nothing")})))
        assert (await tek.quotas.usage(ADA, "areas")).used == 1
        await made(tek, "B")
        await made(tek, "C")
        error = await refused(QuotaExhausted, made(tek, "D"))
        assert (error.quota_type, error.limit) == ("areas", 3)
        other = world.tek(Policy(passwords={"bcrypt_cost": 10}))  # its counts in memory are empty
        await refused(QuotaExhausted, made(other, "D"))
        assert (await other.quotas.reconcile(ADA, "areas")).used == 3
        assert (await other.quotas.usage(BEN, "areas")).used == 0

    world.run(scenario)


ACTS: dict[str, Any] = {
    "area.edit": lambda tek, actor, area: tek.areas.edit(actor, area.id, details="x"),
    "area.move": lambda tek, actor, area: tek.areas.move(actor, area.id, None),
    "area.delete": lambda tek, actor, area: tek.areas.delete(actor, area.id),
}


@pytest.mark.parametrize("verb", [*ACTS, "area.restore"])
def test_every_cell_of_the_table(world: World, verb: str) -> None:
    """E8, E10: each role, to areas of each role and to one's own; by the stored roles, whatever is vouched for."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        for at, role in enumerate(ROLES):
            for by, other in enumerate((*ROLES, None)):
                actor = await stored(world, f"a{at}{by}", role)
                owner = actor if other is None else await stored(world, f"b{at}{by}", other)
                who = Principal(actor.id, actor.uid, role="admin" if role != "admin" else "user")
                top = await tek.areas.create(owner, AreaDraft(title="Top"))
                area = await tek.areas.create(owner, AreaDraft(title=f"T{at}{by}", parent_id=top.id))
                if verb == "area.restore":
                    await tek.areas.delete(owner if other is not None else ADMIN, area.id)
                allowed = reaches(verb, role, owner.role, other is None)
                if verb == "area.restore":
                    call = tek.areas.restore(who, area.id)
                    if allowed and other is not None:
                        await call
                    else:  # one's own was deleted by an admin
                        await refused(Forbidden if other is None else NotFound, call)
                elif allowed:
                    await ACTS[verb](tek, who if other is not None else actor, area)
                else:
                    await refused(Forbidden, ACTS[verb](tek, who, area))
                    assert (await tek.areas.get(owner, area.id)).revision == 1
        assert set(TABLE) >= {*ACTS, "area.restore", "area.create"}

    world.run(scenario)


def test_who_was_disabled_reaches_nothing_of_others(world: World) -> None:
    """E18."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area = await made(tek, "Go")
        await stored(world, "root2", "admin", status="disabled")
        await refused(Forbidden, tek.areas.delete(principal("root2", "admin"), area.id))
        await stored(world, "root3", "admin")
        posing = Principal(derived_id("user", "root3"), "usr_somebody", role="admin")
        await refused(Forbidden, tek.areas.delete(posing, area.id))

    world.run(scenario)


def test_follows_are_counted(world: World) -> None:
    """J34: 32 at once, some twice, some who leave: the count is who follows now."""

    async def scenario(world: World) -> None:
        teks = [world.rival(POLICY) for _ in range(2)]
        area = await made(teks[0], "Go")
        people = [principal(f"p{at}") for at in range(8)]
        for _ in range(2):
            await asyncio.gather(
                *[teks[at % 2].areas.follow(who, area.id) for at, who in enumerate([*people, *people])]
            )
        assert (await teks[0].areas.get(None, area.id)).follower_count == 8
        await asyncio.gather(*[teks[at % 2].areas.unfollow(who, area.id) for at, who in enumerate(people[:5])])
        await teks[0].areas.unfollow(BEN, area.id)
        assert (await teks[0].areas.get(None, area.id)).follower_count == 3
        await teks[0].areas.edit(ADA, area.id, visibility="private")
        await teks[0].areas.unfollow(people[7], area.id)
        assert (await teks[0].areas.get(ADA, area.id)).follower_count == 2
        types = [each.event_type for each in (await teks[0].events.log(user_id=people[7].uid)).items]
        assert sorted(types) == ["area.followed", "area.unfollowed"]

    world.run(scenario)


def test_storages_without_areas_say_so() -> None:
    from dataclasses import replace

    from tektree import AsyncTekTree

    with pytest.raises(ConfigurationError, match="keep no areas"):
        _ = TekTree(replace(memory_backends(), areas=None)).areas
    with pytest.raises(ConfigurationError, match="keep no areas"):
        _ = AsyncTekTree(replace(async_memory_backends(), follows=None)).areas
