"""What follows from an event: the table of reactions, as it is by default."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from tektree.models.base import Frozen, Name
from tektree.policy.settings import Setting

__all__ = ["REACTIONS", "Reaction", "as_reactions"]


class Reaction(Setting):
    """What follows from an event: XP given or taken back, a day of activity, a place on the boards hidden or shown, a
    record that is cached no more, or units of a quota.

    ``effect``: ``award`` gives XP of ``source``, or gives it again if it was taken back; ``reverse`` takes that back.
    ``to`` is the field of the payload with the uid of whom it is for. ``about`` is the kind of entity, whose id stands
    in the field of that name and ``_id``; without it, the first word of the event's type. ``by`` is the field with the
    uid of who did it: one's own doing gives nothing, and with ``each`` everybody's counts once. ``first`` is a field
    that must be true for XP to be given for the first time, ``when`` one that must be true for anything to follow.
    ``cache`` invalidates what is cached of the entity that it is about, a user or a question; of a user it is that of
    ``to``. ``quota`` counts ``units`` of that quota as used, also beyond its limit, or gives them back where they are
    below 0.
    """

    effect: Literal["award", "reverse", "activity", "hide", "show", "cache", "quota"] = "award"
    source: Name | None = None
    to: Name = "user_id"
    about: Name | None = None
    by: Name | None = None
    each: bool = False
    first: Name | None = None
    when: Name | None = None
    quota: Name | None = None
    units: Annotated[int, Field(ge=-(10**9), le=10**9)] = 1

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.source is not None) is not (self.effect in {"award", "reverse"}):
            raise ValueError("source must be given for award and reverse, and for nothing else")
        if self.each and self.by is None:
            raise ValueError("by must be given with each")
        if (self.quota is not None) is not (self.effect == "quota"):
            raise ValueError("quota must be given for the effect quota, and for nothing else")
        if self.units == 0 or (self.units != 1 and self.quota is None):
            raise ValueError("units must go with the effect quota, and must not be 0")
        if self.effect in {"cache", "quota"} and (self.by or self.first or self.when):
            raise ValueError(f"by, first and when do not go with the effect {self.effect}")
        return self


def as_reactions(value: Any) -> Any:
    """The short forms: the name of a source, or one reaction alone."""
    if type(value) is str:
        value = {"source": value}
    if isinstance(value, Reaction | Mapping):
        value = (value,)
    return tuple([{"source": each} if type(each) is str else each for each in value]) if _listed(value) else value


def _listed(value: Any) -> bool:
    return type(value) is list or type(value) is tuple


def _voted(kind: str) -> dict[str, tuple[Reaction, ...]]:
    """A vote gives its XP, or takes it, once for each voter; a changed one takes the other direction back first."""
    given = {way: Reaction(source=f"{kind}_{way}", by="voter_id", each=True) for way in ("upvoted", "downvoted")}
    back = {
        way: Reaction(effect="reverse", source=f"{kind}_{way}", by="voter_id", each=True)
        for way in ("upvoted", "downvoted")
    }
    return {
        f"{kind}.upvoted": (back["downvoted"], given["upvoted"]),
        f"{kind}.downvoted": (back["upvoted"], given["downvoted"]),
        f"{kind}.vote_removed": (back["upvoted"], back["downvoted"]),
    }


def _accepted(effect: Literal["award", "reverse"]) -> tuple[Reaction, ...]:
    return (
        Reaction(effect=effect, source="answer_accepted", by="accepted_by"),
        Reaction(effect=effect, source="answer_chosen", to="accepted_by", about="question", by="user_id"),
    )


_CACHED: Final[Mapping[str, Sequence[str]]] = {
    "user": (
        "user.registered",
        "user.email_verified",
        "user.profile_updated",
        "user.handle_changed",
        "user.password_changed",
        "user.role_changed",
        "user.tier_changed",
        "user.suspended",
        "user.reinstated",
        "user.deleted",
        "user.erased",
    ),
    "question": (
        "question.asked",
        "question.updated",
        "question.deleted",
        "question.restored",
        "question.closed",
        "question.reopened",
        "question.resolved",
        "question.upvoted",
        "question.downvoted",
        "question.vote_removed",
        "answer.posted",
        "answer.deleted",
        "answer.restored",
        "answer.accepted",
        "answer.unaccepted",
    ),
}
"""The events that change what is cached of a user, and of a question. It goes behind all else that follows."""


def _invalidated() -> dict[str, tuple[Reaction, ...]]:
    return {each: (Reaction(effect="cache", about=kind),) for kind, types in _CACHED.items() for each in types}


def _joined(*tables: Mapping[str, tuple[Reaction, ...]]) -> Mapping[str, tuple[Reaction, ...]]:
    types = dict.fromkeys([each for table in tables for each in table])
    return Frozen({each: tuple([one for table in tables for one in table.get(each, ())]) for each in types})


REACTIONS: Final[Mapping[str, tuple[Reaction, ...]]] = _joined(
    {
        "user.email_verified": (Reaction(source="email_verified"),),
        "user.suspended": (Reaction(effect="hide"),),
        "user.reinstated": (Reaction(effect="show"),),
        "area.created": (Reaction(source="area_created"),),
        "area.deleted": (Reaction(effect="reverse", source="area_created"),),
        "area.restored": (Reaction(source="area_created"),),
        "question.asked": (Reaction(source="question_asked"),),
        "question.deleted": (
            Reaction(effect="reverse", source="question_asked"),
            Reaction(effect="reverse", source="answer_chosen"),
        ),
        "question.restored": (
            Reaction(source="question_asked"),
            Reaction(source="answer_chosen", when="accepted"),
        ),
        **_voted("question"),
        "answer.posted": (Reaction(source="answer_posted"),),
        "answer.deleted": (Reaction(effect="reverse", source="answer_posted"),),
        "answer.restored": (Reaction(source="answer_posted"),),
        "answer.accepted": _accepted("award"),
        "answer.unaccepted": _accepted("reverse"),
        **_voted("answer"),
        "insight.published": (Reaction(source="insight_published", first="first_publication"),),
        "insight.unpublished": (Reaction(effect="reverse", source="insight_published"),),
        "insight.deleted": (Reaction(effect="reverse", source="insight_published"),),
        "insight.liked": (Reaction(source="insight_liked", by="by", each=True),),
        "insight.unliked": (Reaction(effect="reverse", source="insight_liked", by="by", each=True),),
    },
    _invalidated(),
)
