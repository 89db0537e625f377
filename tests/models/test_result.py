"""`AwardResult`: frozen, compared by what it says, with a profile that is put together when somebody looks."""

import copy
import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from functools import partial

import pytest

from tektree import AwardResult, EntityRef, Outcome, TekTree
from tektree.models.gamification import Explanation, GamificationProfile

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
SAID = partial(Explanation, text="said")


def awarded() -> tuple[AwardResult, GamificationProfile]:
    tek = TekTree.in_memory(clock=lambda: NOW, ids=lambda: "0" * 24)
    user_id = tek.gamification.enroll(uid="usr_ada").user_id
    result = tek.gamification.award(user_id, "answer_posted", EntityRef("answer", "a1"))
    return result, tek.gamification.profile(user_id)


def test_the_profile_is_made_once_and_only_when_somebody_looks() -> None:
    _, profile = awarded()
    made: list[int] = []

    def make() -> GamificationProfile:
        made.append(1)
        return profile

    result = AwardResult(Outcome.GRANTED, make, explain=SAID)
    assert made == []
    assert result.profile is profile
    assert result.profile is profile
    assert made == [1]


def test_the_profile_is_the_one_after() -> None:
    result, profile = awarded()
    assert result.profile == profile
    assert type(result.profile) is GamificationProfile
    assert GamificationProfile.model_validate(result.profile.model_dump()) == profile


@pytest.mark.parametrize("name", ["outcome", "profile", "transaction", "reason", "events", "amount", "other"])
def test_nothing_of_it_changes(name: str) -> None:
    result, _ = awarded()
    with pytest.raises(FrozenInstanceError, match=name):
        setattr(result, name, None)
    with pytest.raises(FrozenInstanceError, match=name):
        delattr(result, name)


def test_it_is_compared_by_what_it_says() -> None:
    (result, profile), (again, _) = awarded(), awarded()
    assert result is not again
    assert result == again
    assert hash(result) == hash(again)
    fields = {name: getattr(result, name) for name in AwardResult.__match_args__}
    assert AwardResult(**fields, explain=SAID) == result  # the explanation takes no part
    assert AwardResult(**fields | {"outcome": Outcome.CLAMPED}, explain=SAID) != result
    assert AwardResult(**fields | {"profile": profile.evolve(tier="pro")}, explain=SAID) != result
    assert result != "granted"
    match result:
        case AwardResult(Outcome.GRANTED, GamificationProfile(total_xp=10)):
            pass
        case _:
            pytest.fail("its fields are matched in their order")


def test_it_shows_what_it_says_and_not_how_it_explains() -> None:
    result, profile = awarded()
    assert repr(result).startswith("AwardResult(outcome=<Outcome.GRANTED: 'granted'>, profile=GamificationProfile(")
    assert repr(profile) in repr(result)
    assert "explain" not in repr(result)


def test_it_is_copied_and_pickled() -> None:
    result, _ = awarded()
    for other in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):  # noqa: S301 - ours
        assert other == result
        assert other.explanation == result.explanation
