"""Bad actors: what they try, and what comes of it. Run it: python examples/bad_actors.py"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from tektree import EntityRef, Policy, Principal, TekTree, TekTreeError
from tektree.models import AnswerDraft, QuestionDraft

Attempt = Callable[[], object]


def attempts(
    tek: TekTree, villain: Principal, ring: list[Principal], question_id: str
) -> Iterator[tuple[str, Attempt]]:
    """What ``villain`` and a ring of friends try on somebody's question: each with what it is an example of."""
    own = tek.questions.ask(villain, QuestionDraft(title="Look at me", body="Please."))
    answer = tek.answers.post(villain, question_id, AnswerDraft(body="Vote for this."))
    yield "votes for oneself", lambda: tek.votes.cast(villain, own, 1)
    yield "votes for oneself", lambda: tek.votes.cast(villain, EntityRef("answer", answer.id), 1)
    yield "edits of others' things", lambda: tek.questions.edit(villain, question_id, title="Mine now")
    yield "deletions of others' things", lambda: tek.questions.delete(villain, question_id)
    yield "moderation without a role", lambda: tek.questions.close(villain, question_id)
    yield "self-accepted answers", lambda: tek.answers.accept(villain, answer.id)
    yield "a role of one's own choice", lambda: tek.accounts.set_role(villain, villain.id, "admin")
    yield "what is not theirs to see", lambda: tek.questions.edit(villain, "f" * 24, title="Guessed")
    yield "a body without end", lambda: tek.answers.post(villain, question_id, AnswerDraft(body="x" * 10**6))
    for number in range(40):
        yield "spam", lambda number=number: tek.questions.ask(villain, QuestionDraft(title=f"Buy {number}", body="Buy"))
    for friend in ring:
        for value in [1, 0] * 50 + [1]:
            yield "votes of a ring", lambda friend=friend, value=value: tek.votes.cast(friend, own, value)


def misbehave(tek: TekTree, villain: Principal, ring: list[Principal], question_id: str) -> Counter[tuple[str, str]]:
    """How often each attempt came to what: the code of its refusal, or ``done``."""
    found: Counter[tuple[str, str]] = Counter()
    for name, attempt in attempts(tek, villain, ring, question_id):
        try:
            attempt()
        except TekTreeError as refusal:
            found[name, refusal.code] += 1
        else:
            found[name, "done"] += 1
    return found


if __name__ == "__main__":
    tek = TekTree.in_memory(policy=Policy(), clock=lambda: datetime(2026, 1, 5, 9, tzinfo=UTC))
    handles = ["ada", "villain", "ring_one", "ring_two", "ring_three"]
    users = [tek.accounts.invite(email=f"{each}@example.com", handle=each) for each in handles]
    ada, villain, *ring = [Principal(user.id, user.uid) for user in users]
    question = tek.questions.ask(ada, QuestionDraft(title="What is a monad?", body="I have read it all."))
    for (name, outcome), times in misbehave(tek, villain, ring, question.id).items():
        print(f"{name:<30} {outcome:<20} {times:>4}")
    # Three friends, a hundred votes each: each of them counts once, and gave XP once.
    profile = tek.gamification.profile(villain.id)
    print(f"all that brought the villain {profile.total_xp} XP")
    assert all(tek.gamification.verify(user.id) for user in users)
