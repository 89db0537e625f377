"""What is stored and what callers hand in, by name: ``from tektree.models import Question, QuestionDraft``.

Names are loaded when they are first used, so a module in here costs only what it needs itself.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tektree.models.accounts import Principal, User
    from tektree.models.answers import Answer, AnswerDraft, CodeSnippet
    from tektree.models.areas import Area, AreaDraft
    from tektree.models.events import Event
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

_ELSEWHERE = {
    "Answer": "answers",
    "AnswerDraft": "answers",
    "Area": "areas",
    "AreaDraft": "areas",
    "AwardRequest": "gamification",
    "AwardResult": "gamification",
    "Board": "leaderboards",
    "CodeSnippet": "answers",
    "EntityRef": "gamification",
    "Event": "events",
    "Explanation": "gamification",
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
    "User": "accounts",
    "Verification": "gamification",
    "XPTransaction": "gamification",
}
"""The module that a name lives in."""

__all__ = [
    "Answer",
    "AnswerDraft",
    "Area",
    "AreaDraft",
    "AwardRequest",
    "AwardResult",
    "Board",
    "CodeSnippet",
    "EntityRef",
    "Event",
    "Explanation",
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
    "User",
    "Verification",
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
