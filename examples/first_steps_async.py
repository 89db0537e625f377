"""First steps, awaited: ten tasks award at once, and nothing is lost. Run it: python examples/first_steps_async.py"""

import asyncio

from tektree import AsyncTekTree, Board, EntityRef


async def main() -> None:
    tek = AsyncTekTree.in_memory()

    # Two people join.
    ada = await tek.gamification.enroll(uid="usr_ada")
    ben = await tek.gamification.enroll(uid="usr_ben")

    # Ten answers of ada's and four questions of ben's, all at once.
    answers = [
        tek.gamification.award(ada.user_id, "answer_posted", about=EntityRef("answer", f"a{number}"))
        for number in range(10)
    ]
    questions = [
        tek.gamification.award(ben.user_id, "question_asked", about=EntityRef("question", f"q{number}"))
        for number in range(4)
    ]
    results = await asyncio.gather(*answers, *questions)
    print(f"{len(results)} awards, {sum(result.amount for result in results)} XP")

    # Each answer counted once, whatever the order was.
    profile = await tek.gamification.profile(ada.user_id)
    assert profile.total_xp == 100
    assert profile.daily_xp_earned == 100

    # The same retry from five places at once: still one award.
    insight = EntityRef("insight", "on-caps")
    retries = [tek.gamification.award(ben.user_id, "insight_published", about=insight) for _ in range(5)]
    outcomes = sorted(result.outcome.value for result in await asyncio.gather(*retries))
    print(outcomes)
    assert outcomes == ["duplicate"] * 4 + ["granted"]

    for standing in await tek.leaderboards.top(Board.GLOBAL):
        print(f"number {standing.rank}: {standing.uid} with {standing.score} XP")
    for user in (ada, ben):
        assert await tek.gamification.verify(user.user_id)


asyncio.run(main())
