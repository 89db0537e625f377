"""The data model's samples as documents, and records of every kind, made from the annotations of the models alone."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from bson import json_util
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tektree.models.accounts import PasswordHash, User
from tektree.models.answers import Answer, AnswerDraft, CodeSnippet
from tektree.models.areas import Area, AreaDraft
from tektree.models.base import INT53, Frozen, StoredAs, Text, Value
from tektree.models.events import Event
from tektree.models.gamification import GamificationProfile, XPTransaction
from tektree.models.insights import Insight, InsightDraft
from tektree.models.questions import Question, QuestionDraft
from tektree.models.sessions import Session
from tektree.models.subscriptions import Subscription

DATA = Path(__file__).resolve().parent / "data"
DATA_MODEL: dict[str, Any] = json.loads((DATA / "collections.json").read_text(encoding="utf-8"))
REDIS: dict[str, Any] = json.loads((DATA / "redis.json").read_text(encoding="utf-8"))

COLLECTIONS: dict[str, type[Value]] = {
    "users": User,
    "areas": Area,
    "questions": Question,
    "answers": Answer,
    "insights": Insight,
    "gamification_profiles": GamificationProfile,
    "xp_transactions": XPTransaction,
    "subscriptions": Subscription,
    "events": Event,
}

_AT = datetime(2025, 12, 16, 14, tzinfo=UTC)
DRAFTS: tuple[Value, ...] = (
    AreaDraft(title="Event-Driven Architecture"),
    QuestionDraft(title="How do I implement event sourcing?", body="I'm building …"),
    AnswerDraft(body="Here's how …", code_snippets=(CodeSnippet(language="go", code="type Event struct {}"),)),
    CodeSnippet(language="go", code="type Event struct {}"),
    InsightDraft(title="Best Practices", body="# Introduction"),
    Session(user_id="usr_abc123", tier="pro", role="user", created_at=_AT, expires_at=_AT.replace(day=23)),
)


def sample(collection: str) -> dict[str, Any]:
    """The data model's document of ``collection``, with ObjectIds and aware dates; a fresh one each time."""
    options = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
    document: dict[str, Any] = json_util.loads(json.dumps(DATA_MODEL[collection]["sample"]), json_options=options)
    return document


@cache
def records(model: type[Value]) -> st.SearchStrategy[Any]:
    """Sound records of ``model``, any of its optional fields left at its default or not."""
    hints = get_type_hints(model, include_extras=True)
    required, optional = {}, {}
    for name, field in model.model_fields.items():
        (required if field.is_required() else optional)[name] = _values(hints[name])
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: model.model_validate(fields))


_TEXTS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
_HEX = st.text("0123456789abcdef", min_size=24, max_size=24)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(_TEXTS, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner),
    max_leaves=6,
)  # fmt: skip


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([st.none() if option is NoneType else _values(option) for option in get_args(hint)])
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    origin, parts = get_origin(base), get_args(base)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        return st.lists(_values(parts[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), _JSON, max_size=3)
    if origin is Mapping:
        return st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), _values(parts[1]), max_size=2).map(Frozen)
    return _plain_values(base, notes)


def _plain_values(base: Any, notes: list[Any]) -> st.SearchStrategy[Any]:
    limits = [limit for note in notes if isinstance(note, FieldInfo) for limit in note.metadata]
    if base is str:
        return _texts(notes, limits)
    if base is int:
        least = next((limit.ge for limit in limits if hasattr(limit, "ge")), -INT53)
        return st.integers(least, INT53)
    if base is bool:
        return st.booleans()
    if base is datetime:
        return _INSTANTS
    if issubclass(base, SecretStr):
        return st.text(_TEXTS, max_size=60).map(PasswordHash)
    if issubclass(base, Enum):
        return st.sampled_from(list(base))
    return records(base)


def _texts(notes: list[Any], limits: list[Any]) -> st.SearchStrategy[str]:
    if StoredAs.OBJECT_ID in notes:
        return _HEX
    if StoredAs.OBJECT_ID_IF_HEX in notes:
        return _HEX | st.text(_TEXTS, min_size=1, max_size=20)
    pattern = next((limit.pattern for limit in limits if getattr(limit, "pattern", None)), None)
    if pattern is not None:
        most = next((limit.max_length for limit in limits if hasattr(limit, "max_length")), 24)
        return st.from_regex(pattern.replace("$", r"\Z")).filter(lambda text: len(text) <= most)
    for note in notes:
        if isinstance(note, Text):
            return st.text(_TEXTS, min_size=note.least, max_size=min(note.most, 12))
    return st.dates().map(lambda day: day.isoformat())
