"""Events by type: what each says, how a host declares its own, and how they look to others.

>>> from datetime import UTC, datetime
>>> from tektree.catalog import CATALOG, Payload, Personal
>>> class QuizPassed(Payload, event="quiz.passed", by="quiz-service", stream="quiz:{quiz_id}"):
...     user_id: str
...     quiz_id: str
...     email: Personal[str]
>>> mine = CATALOG.register(QuizPassed)
>>> passed = QuizPassed(user_id="usr_ada", quiz_id="q7", email="ada@example.com")
>>> event = mine.event(passed, "65f0c0ffee65f0c0ffee65f0", datetime(2025, 12, 16, 12, tzinfo=UTC))
>>> event.event_type, event.metadata["stream"]
('quiz.passed', 'quiz:q7')
>>> mine.decode(event) == passed
True
>>> mine.without_personal(event).payload["email"] is None
True
>>> from_cloudevent(to_cloudevent(event)) == event
True
"""

from tektree.models.payloads import PERSONAL, Kind, Payload, Personal, Upcast
from tektree.rules.catalog import CATALOG, Catalog
from tektree.wire.cloudevents import from_cloudevent, to_cloudevent
from tektree.wire.schemas import envelope_schema, payload_schema

__all__ = [
    "CATALOG",
    "PERSONAL",
    "Catalog",
    "Kind",
    "Payload",
    "Personal",
    "Upcast",
    "envelope_schema",
    "from_cloudevent",
    "payload_schema",
    "to_cloudevent",
]
