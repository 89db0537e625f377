"""TekTree: XP, streaks, levels and boards for a learning community, sync and async.

Names are loaded when they are first used, so ``import tektree`` costs next to nothing and needs no driver.
"""

# Not imported from typing: that alone would double the time of this import. Type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tektree._async.sdk import AsyncTekTree
    from tektree._sync.sdk import TekTree
    from tektree.errors import (
        BackendError,
        ConfigurationError,
        Conflict,
        CorruptDocument,
        Denied,
        Forbidden,
        GivenUp,
        IdempotencyConflict,
        InvalidCredentials,
        InvalidCursor,
        InvalidInput,
        InvalidPolicy,
        InvalidSession,
        InvalidToken,
        InvalidTransition,
        NotFound,
        OutcomeUnknown,
        QuotaExhausted,
        RateLimited,
        Stale,
        Taken,
        TekTreeError,
        Unavailable,
        Undelivered,
        UnknownVersion,
    )
    from tektree.models.accounts import Principal
    from tektree.models.gamification import AwardResult, EntityRef, GamificationProfile, Outcome, XPTransaction
    from tektree.models.leaderboards import Board, Standing
    from tektree.models.pages import Page
    from tektree.policy import Policy

__all__ = [
    "AsyncTekTree",
    "AwardResult",
    "BackendError",
    "Board",
    "ConfigurationError",
    "Conflict",
    "CorruptDocument",
    "Denied",
    "EntityRef",
    "Forbidden",
    "GamificationProfile",
    "GivenUp",
    "IdempotencyConflict",
    "InvalidCredentials",
    "InvalidCursor",
    "InvalidInput",
    "InvalidPolicy",
    "InvalidSession",
    "InvalidToken",
    "InvalidTransition",
    "NotFound",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "Policy",
    "Principal",
    "QuotaExhausted",
    "RateLimited",
    "Stale",
    "Standing",
    "Taken",
    "TekTree",
    "TekTreeError",
    "Unavailable",
    "Undelivered",
    "UnknownVersion",
    "XPTransaction",
    "__version__",
]

__version__ = "0.1.0"

_ELSEWHERE = {
    "AsyncTekTree": "tektree._async.sdk",
    "AwardResult": "tektree.models.gamification",
    "Board": "tektree.models.leaderboards",
    "EntityRef": "tektree.models.gamification",
    "GamificationProfile": "tektree.models.gamification",
    "Outcome": "tektree.models.gamification",
    "Page": "tektree.models.pages",
    "Policy": "tektree.policy",
    "Principal": "tektree.models.accounts",
    "Standing": "tektree.models.leaderboards",
    "TekTree": "tektree._sync.sdk",
    "XPTransaction": "tektree.models.gamification",
}
"""Where a name lives; those that are not listed are errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_ELSEWHERE.get(name, "tektree.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
