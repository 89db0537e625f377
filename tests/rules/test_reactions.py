"""The table of reactions: whom, about what, under which key; and what must not follow from itself."""

from typing import Any

import pytest

from tektree.errors import ConfigurationError, InvalidPolicy, InvalidTransition
from tektree.ids import derived_id
from tektree.models.caches import Place
from tektree.models.events import Event
from tektree.models.gamification import EntityRef, GamificationProfile
from tektree.policy import Policy, Reaction
from tektree.rules import inputs, reactions, settings
from tektree.rules.catalog import CATALOG
from tests.rules.ledgers import NOON

POLICY = Policy()
QUESTION = "65f0c0ffee65f0c0ffee65f0"
ADA = GamificationProfile(id=derived_id("p"), user_id=derived_id("u"), uid="usr_ada", updated_at=NOON)


def event(kind: str, **payload: Any) -> Event:
    id = "0" * 24
    return Event(
        id=id, event_id=f"evt_{id}", event_type=kind, timestamp=NOON, source_service="content-service", payload=payload
    )


def rule(kind: str, **fields: Any) -> reactions.Rule:
    return reactions.Rule(kind, Reaction(**fields))


def test_every_rule_of_the_default_table_has_a_name_of_its_own() -> None:
    table = reactions.table(POLICY, CATALOG)
    assert len({each.name for each in table}) == len(table) > 20


def test_whom_it_is_for_and_never_for_ones_own_doing() -> None:
    """Voting or accepting one's own: nothing."""
    vote = rule("question.upvoted", source="question_upvoted", by="voter_id", each=True)
    assert reactions.receiver(vote, event("question.upvoted", user_id="usr_ada", voter_id="usr_bob")) == "usr_ada"
    assert reactions.receiver(vote, event("question.upvoted", user_id="usr_ada", voter_id="usr_ada")) is None
    assert reactions.receiver(vote, event("question.upvoted", voter_id="usr_bob")) is None


def test_what_it_asks_for_must_be_so() -> None:
    chosen = rule("question.restored", source="answer_chosen", when="accepted")
    for accepted, expected in ((True, "usr_ada"), (False, None), (None, None), (1, None)):
        assert reactions.receiver(chosen, event("question.restored", user_id="usr_ada", accepted=accepted)) == expected
    assert reactions.receiver(chosen, event("question.restored", user_id="usr_ada")) is None


def test_keys_are_of_source_entity_and_doer() -> None:
    """Reactions key an award by (rule, actor, target)."""
    asked = event("question.asked", user_id="usr_ada", question_id=QUESTION, voter_id="usr_bob")
    once, each = (
        rule("question.asked", source="question_asked"),
        rule("question.asked", source="question_upvoted", by="voter_id", each=True),
    )
    assert reactions.about(once, asked) == EntityRef("question", QUESTION)
    assert reactions.key(once, asked, ADA.user_id, POLICY) == f"~question_asked:question:{QUESTION}"
    assert reactions.key(each, asked, ADA.user_id, POLICY) == f"~question_upvoted:question:{QUESTION}:usr_bob"
    verified = rule("user.email_verified", source="email_verified")
    assert reactions.about(verified, event("user.email_verified", user_id="usr_ada")) is None
    assert reactions.key(verified, event("user.email_verified"), ADA.user_id, POLICY) == "~email_verified"
    loose = event("quiz.passed", user_id="usr_ada")
    assert (
        reactions.key(rule("quiz.passed", source="manual"), loose, ADA.user_id, POLICY) == f"~manual:{loose.event_id}"
    )
    long = event("question.asked", user_id="usr_ada", question_id="x" * 128, voter_id="v" * 64)
    assert len(reactions.key(each, long, ADA.user_id, POLICY)) <= 200
    with pytest.raises(ConfigurationError):
        reactions.key(rule("question.asked", effect="hide"), asked, ADA.user_id, POLICY)


@pytest.mark.parametrize(
    "table",
    [
        {"xp.awarded": "answer_posted"},
        {"level.up": {"effect": "activity"}},
        {"question.asked": ["question_asked", "question_asked"]},
        {"question.asked": {"source": "question_asked", "to": "nobody_id"}},
        {"question.asked": {"source": "question_asked", "by": "nobody_id"}},
        {"question.asked": {"source": "question_asked", "first": "no_such"}},
        {"question.asked": {"source": "question_asked", "when": "no_such"}},
        {"question.asked": [{"effect": "cache"}, {"effect": "cache", "about": "question"}]},
        {"answer.posted": {"effect": "cache"}},
        {"quiz.passed": {"effect": "cache"}},
        {"answer.updated": {"effect": "cache", "about": "question"}},
        {"user.registered": {"effect": "cache", "to": "nobody_id"}},
        {"question.asked": {"effect": "quota", "quota": "questions", "to": "nobody_id"}},
        {"question.asked": [{"effect": "quota", "quota": "questions", "units": each} for each in (1, -1)]},
        {"quota.exceeded": {"effect": "quota", "quota": "questions"}},
    ],
)
def test_a_table_that_does_not_hold_together(table: Any) -> None:
    with pytest.raises(InvalidPolicy):
        reactions.table(Policy(reactions=table), CATALOG)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"effect": "activity", "source": "answer_posted"},
        {"source": "answer_posted", "each": True},
        {"effect": "cache", "source": "answer_posted"},
        {"effect": "cache", "by": "user_id"},
        {"effect": "cache", "first": "user_id"},
        {"effect": "cache", "when": "user_id"},
        {"effect": "cache", "quota": "questions"},
        {"effect": "cache", "units": 2},
        {"effect": "quota"},
        {"effect": "quota", "quota": "questions", "units": 0},
        {"effect": "quota", "quota": "questions", "units": 10**9 + 1},
        {"effect": "quota", "quota": "questions", "by": "user_id"},
        {"effect": "quota", "quota": "API calls"},
        {"source": "answer_posted", "quota": "questions"},
    ],
)
def test_a_reaction_that_is_none(fields: Any) -> None:
    with pytest.raises(InvalidPolicy):
        Reaction(**fields)


def test_what_is_cached_is_that_of_whom_or_of_what_the_event_is_about() -> None:
    asked = event("question.asked", user_id="usr_ada", question_id=QUESTION)
    assert reactions.place(rule("question.asked", effect="cache"), asked) == Place("question", QUESTION)
    user = rule("question.asked", effect="cache", about="user")
    assert reactions.place(user, asked) == Place("user", "usr_ada")
    voter = rule("question.upvoted", effect="cache", about="user", to="voter_id")
    assert reactions.place(voter, event("question.upvoted", user_id="usr_ada", voter_id="usr_b")).name == "usr_b"
    for nobody in (event("question.asked"), event("question.asked", user_id=None), event("question.asked", user_id="")):
        assert reactions.place(user, nobody) is None


def test_every_event_that_says_what_a_user_or_a_question_is_now_invalidates_it() -> None:
    """All of the catalog's but those that change nothing of it."""
    rules = reactions.table(POLICY, CATALOG)
    cached = {(each.event_type, each.kind) for each in rules if each.reaction.effect == "cache"}
    users = {kind.event_type for kind in CATALOG if kind.event_type.startswith("user.")}
    assert users - {name for name, kind in cached if kind == "user"} == {
        "user.logged_in",
        "user.logged_out",
        "user.login_failed",
    }
    questions = {kind.event_type for kind in CATALOG if kind.event_type.startswith("question.")}
    about = {"answer.posted", "answer.deleted", "answer.restored", "answer.accepted", "answer.unaccepted"}
    assert {name for name, kind in cached if kind == "question"} == questions | about
    last = {each.event_type: each.reaction.effect for each in rules}
    assert {last[name] for name, _ in cached} == {"cache"}, "it goes behind all else that follows"


def test_only_what_concerns_the_game_needs_a_profile() -> None:
    assert not reactions.needs_profile(POLICY, "user.profile_updated")
    assert not reactions.needs_profile(POLICY, "quiz.passed")
    assert reactions.needs_profile(POLICY, "user.email_verified")


@pytest.mark.parametrize(("lifetime", "backoff"), [(300, 1), (1, 1), (86_400, 1), (300, 3_600), (86_400, 60)])
def test_an_invalidation_is_tried_until_what_it_would_take_away_has_expired(lifetime: int, backoff: int) -> None:
    policy = Policy(caches={"lifetime": lifetime, "spread": 0}, events={"backoff": backoff})
    tries = reactions.tries(rule("user.erased", effect="cache"), policy)
    waits = [reactions.wait(policy.events, attempt) for attempt in range(1, tries)]
    assert sum(waits) >= lifetime
    assert tries == policy.events.attempts or sum(waits[:-1]) < lifetime
    assert tries <= 100
    assert reactions.tries(rule("user.erased", effect="hide"), policy) == policy.events.attempts


def test_a_wait_doubles_and_is_an_hour_at_the_most() -> None:
    waits = [reactions.wait(POLICY.events, attempt) for attempt in (1, 2, 3, 12, 13, 100)]
    assert waits == [1, 2, 4, 2_048, 3_600, 3_600]


def test_a_hosts_type_may_be_registered_later() -> None:
    assert len(reactions.table(Policy(reactions={"quiz.passed": "manual"}), CATALOG)) == 1


def test_circles_go_through_patterns_and_through_several_steps() -> None:
    reactions.check([], {"a": ("quiz.passed", ["quiz.seen"]), "b": ("quiz.seen", ["shop.sold"])})
    for handlers in (
        {"a": ("quiz.*", ["quiz.seen"])},
        {"a": ("*", ["quiz.seen"])},
        {"a": ("quiz.passed", ["quiz.seen"]), "b": ("quiz.seen", ["shop.sold"]), "c": ("shop.*", ["quiz.passed"])},
    ):
        with pytest.raises(InvalidPolicy, match="circle"):
            reactions.check([], handlers)


# -- whether a user stands on boards -----------------------------------------------------------------------------------


def test_who_was_suspended_comes_back_as_they_had_wished() -> None:
    """Only a reinstatement puts them back, and it does so as if they had never been suspended."""
    shown, hidden = ADA, settings.opted_out(ADA, NOON)
    for before in (shown, hidden):
        gone = settings.suspended(before, NOON)
        assert gone.leaderboard_opt_out
        assert settings.suspended(gone, NOON) is gone
        with pytest.raises(InvalidTransition):
            settings.opted_in(gone, NOON)
        assert settings.reinstated(gone, NOON) == before
        out = settings.opted_out(gone, NOON)
        assert settings.opted_out(out, NOON) is out
        assert settings.reinstated(out, NOON) == hidden
    assert settings.opted_out(hidden, NOON) is hidden
    assert settings.opted_in(hidden, NOON) == shown
    assert settings.opted_in(shown, NOON) is shown
    assert settings.reinstated(shown, NOON) is shown


@pytest.mark.parametrize("wrong", [None, "", "evt", "evt_" + "x" * 61, "ev_x", 5, b"evt_x"])
def test_an_id_of_an_event(wrong: Any) -> None:
    assert inputs.event_id("evt_abc123xyz") == "evt_abc123xyz"
    with pytest.raises(ValueError, match="event_id"):
        inputs.event_id(wrong)


@pytest.mark.parametrize("wrong", [None, 0, 1, "True"])
def test_yes_or_no(wrong: Any) -> None:
    assert inputs.flag(True, "x")
    with pytest.raises(ValueError, match="True or False"):
        inputs.flag(wrong, "x")


@pytest.mark.parametrize(
    ("reaction", "handler"),
    [
        ({"effect": "award", "source": "answer_accepted"}, "reaction:xp:answer_accepted"),
        ({"effect": "reverse", "source": "answer_accepted"}, "reaction:xp:answer_accepted"),
        ({"effect": "award", "source": "answer_posted"}, "reaction:xp:answer_posted"),
        ({"effect": "hide"}, "reaction:boards"),
        ({"effect": "show"}, "reaction:boards"),
        ({"effect": "activity"}, "reaction:activity"),
        ({"effect": "quota", "quota": "exports", "units": 1}, "reaction:quota:exports"),
        ({"effect": "quota", "quota": "exports", "units": -1}, "reaction:quota:exports"),
        ({"effect": "cache"}, "reaction:answer.accepted:cache:answer"),
    ],
)
def test_what_gives_and_what_takes_back_is_one_handler(reaction: dict[str, Any], handler: str) -> None:
    assert reactions.Rule("answer.accepted", Reaction(**reaction)).handler == handler
