"""What is stored and what callers hand in, by name: ``from tektree.models import Question, QuestionDraft``.

Names are loaded when they are first used, so a module in here costs only what it needs itself.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tektree.models.accounts import Actor, Principal, User
    from tektree.models.answers import Answer, AnswerDraft, CodeSnippet
    from tektree.models.areas import Area, AreaDraft, Follow
    from tektree.models.connections import Connection, Contact
    from tektree.models.events import DeadLetter, Delivery, Event, EventTree, Swept
    from tektree.models.gamification import (
        AwardRequest,
        AwardResult,
        EntityRef,
        Explanation,
        GamificationProfile,
        Outcome,
        Reason,
        Verification,
        XPTransaction,
    )
    from tektree.models.insights import Insight, InsightDraft
    from tektree.models.leaderboards import Board, Standing
    from tektree.models.pages import Page
    from tektree.models.questions import Question, QuestionDraft
    from tektree.models.sessions import Session
    from tektree.models.subscriptions import Subscription
    from tektree.models.votes import Vote

_ELSEWHERE = {
    "Actor": "accounts",
    "Answer": "answers",
    "AnswerDraft": "answers",
    "Area": "areas",
    "AreaDraft": "areas",
    "AwardRequest": "gamification",
    "AwardResult": "gamification",
    "Board": "leaderboards",
    "CodeSnippet": "answers",
    "Connection": "connections",
    "Contact": "connections",
    "DeadLetter": "events",
    "Delivery": "events",
    "EntityRef": "gamification",
    "Event": "events",
    "EventTree": "events",
    "Explanation": "gamification",
    "Follow": "areas",
    "GamificationProfile": "gamification",
    "Insight": "insights",
    "InsightDraft": "insights",
    "Outcome": "gamification",
    "Page": "pages",
    "Principal": "accounts",
    "Question": "questions",
    "QuestionDraft": "questions",
    "Reason": "gamification",
    "Session": "sessions",
    "Standing": "leaderboards",
    "Subscription": "subscriptions",
    "Swept": "events",
    "User": "accounts",
    "Verification": "gamification",
    "Vote": "votes",
    "XPTransaction": "gamification",
}
"""The module that a name lives in."""

__all__ = [
    "Actor",
    "Answer",
    "AnswerDraft",
    "Area",
    "AreaDraft",
    "AwardRequest",
    "AwardResult",
    "Board",
    "CodeSnippet",
    "Connection",
    "Contact",
    "DeadLetter",
    "Delivery",
    "EntityRef",
    "Event",
    "EventTree",
    "Explanation",
    "Follow",
    "GamificationProfile",
    "Insight",
    "InsightDraft",
    "Outcome",
    "Page",
    "Principal",
    "Question",
    "QuestionDraft",
    "Reason",
    "Session",
    "Standing",
    "Subscription",
    "Swept",
    "User",
    "Verification",
    "Vote",
    "XPTransaction",
]


def __getattr__(name: str) -> object:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
