"""Questions of your own behind a cache, and edits that are counted. Run it: python examples/cached_questions.py"""

from dataclasses import replace
from datetime import UTC, datetime

from tektree import Policy, Principal, TekTree
from tektree.backends.memory import MemoryCaches, memory_backends
from tektree.clock import system_clock
from tektree.models import Question
from tektree.models.payloads import QuestionUpdated

ID = "676000000000000000000001"


class Questions:
    """Where you keep questions: anything with this method."""

    kept: dict[str, Question] = {}  # noqa: RUF012
    reads = 0

    def question(self, question_id: str) -> Question | None:
        """Your own query."""
        self.reads += 1
        return self.kept.get(question_id)


# An edit costs a unit of a quota here, counted when it has happened.
default = Policy()
policy = Policy(
    quotas={"free": {**default.quotas["free"], "edits": 10}},
    reactions={
        **default.reactions,
        "question.updated": (*default.reactions["question.updated"], {"effect": "quota", "quota": "edits"}),
    },
)

# In one process a cache may be in memory. With several, connect(mongo, redis=…) has one that they share.
tek = TekTree(replace(memory_backends(), caches=MemoryCaches(system_clock)), policy)
ada = Principal(tek.gamification.enroll("usr_ada").user_id, "usr_ada")

# The cache stands before your reader and has its port.
stored, now = Questions(), datetime.now(UTC)
first = Question(
    id=ID, title="How?", slug="how", body="", visibility="public", created_by=ada.id, created_at=now, updated_at=now
)
stored.kept[ID] = first
questions = tek.caches.questions(stored)
assert [questions.question(ID) for _ in range(3)] == [first] * 3
print(f"asked 3 times, read {stored.reads} time")

# Whoever edits tells it, as tektree's own services do. The cache hears of it, and so does the quota.
stored.kept[ID] = first.evolve(title="Why?")
tek.events.emit(QuestionUpdated(user_id="usr_ada", question_id=ID, changed={}))
found = questions.question(ID)
assert found is not None
assert found.title == "Why?"
print(f"edited: {tek.quotas.usage(ada, 'edits').used} of 10 edits used")
