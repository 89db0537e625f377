"""First steps: an award, the same award again, a streak, a reversal, a board. Run it: python examples/first_steps.py"""

from datetime import UTC, datetime, timedelta

from tektree import Board, EntityRef, TekTree

# A clock of our own, so that days can pass. Without one, it is the time of the machine.
now = datetime(2026, 1, 5, 9, tzinfo=UTC)
tek = TekTree.in_memory(clock=lambda: now)

# Somebody joins. Days are counted where she lives.
ada = tek.gamification.enroll(uid="usr_ada", timezone="Europe/Berlin")
print(f"{ada.uid} starts at level {ada.current_level}, {ada.xp_to_next_level} XP from the next")

# She publishes an insight. The policy says what that is worth.
insight = EntityRef("insight", "on-streaks")
result = tek.gamification.award(ada.user_id, "insight_published", about=insight)
print(result.explanation.text)

# A retry does no harm: one insight is one award.
again = tek.gamification.award(ada.user_id, "insight_published", about=insight)
assert again.outcome == "duplicate"
assert again.profile.total_xp == 25

# A week of answers makes a streak of 7, which earns a freeze.
for day in range(7):
    now = datetime(2026, 1, 5, 18, tzinfo=UTC) + timedelta(days=day)
    result = tek.gamification.award(ada.user_id, "answer_posted", about=EntityRef("answer", f"a{day}"))
streak = result.profile.streak
print(f"after a week: a streak of {streak.current}, {streak.freezes_available} freeze at hand")

# The last answer is deleted. Its XP goes by a row of its own, and no row is lost.
assert result.transaction is not None
taken_back = tek.gamification.reverse(result.transaction.transaction_id, "the answer was deleted")
print(taken_back.explanation.text)

# Where she stands, and what the ledger says of how she came there, newest first.
[first] = tek.leaderboards.top(Board.GLOBAL)
print(f"number {first.rank}: {first.uid} with {first.score} XP")
for row in tek.gamification.history(ada.user_id).items:
    print(f"  {row.seq:>2}  {row.timestamp:%a %H:%M}  {row.amount:+4}  {row.source}")

# The profile is the sum of the ledger. Here is the proof.
assert tek.gamification.verify(ada.user_id)
