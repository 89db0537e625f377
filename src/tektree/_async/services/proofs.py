"""What proves the counts of content, and whatever else on it follows from something else.

Views and comments are proven by nothing: nothing is kept of who looked, and comments are not ours.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.areas import AsyncAreaRepository, AsyncFollowRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.documents import AsyncDocuments
from tektree._async.ports.insights import AsyncInsightRepository
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree._async.ports.votes import AsyncVoteRepository
from tektree._async.services.answers import AsyncAnswers
from tektree._async.services.areas import AsyncAreas
from tektree._async.services.content_recounts import AsyncProof
from tektree._async.services.counts import recounted
from tektree._flavour import async_backoff
from tektree.errors import Stale, Taken
from tektree.models.answers import Answer
from tektree.models.areas import Area
from tektree.models.questions import Question
from tektree.models.votes import Tally
from tektree.rules import recounts

__all__ = ["every_proof"]

_ATTEMPTS: Final = 30

Counts = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]
"""How many there are of something, by the ids of what it is counted on; where there are none, that may be left out."""


def every_proof(backends: AsyncBackends, areas: AsyncAreas | None, answers: AsyncAnswers | None) -> list[AsyncProof]:
    """All that is proven of the content that the storages keep."""
    found: list[AsyncProof] = []
    filed: list[AsyncFiled] = [each for each in (backends.questions, backends.insights) if each is not None]
    if areas is not None and backends.areas is not None and backends.follows is not None:
        found += _of_areas(areas, backends.areas, backends.follows, filed)
    if backends.questions is not None:
        found.append(_of_slugs("question", backends.questions))
    if answers is not None and backends.answers is not None and backends.questions is not None:
        found += _of_answers(answers, backends.answers, backends.questions)
        if backends.votes is not None:
            found.append(_of_votes("question", backends.questions, backends.votes))
            found.append(_of_votes("answer", backends.answers, backends.votes))
    if backends.insights is not None:
        found.append(_of_slugs("insight", backends.insights))
        if backends.votes is not None:
            found.append(_of_likes(backends.insights, backends.votes))
    return found


class AsyncFiled(Protocol):
    """What is filed under areas."""

    async def in_areas(self, area_ids: Sequence[str]) -> Mapping[str, int]:
        """How many are filed under each that everybody may see."""
        ...


def _counted(kind: str, store: AsyncDocuments[Any], field: str, counts: Sequence[Counts]) -> AsyncProof:
    """That ``field`` is the sum of these counts."""

    async def expected(records: Sequence[Any]) -> Mapping[str, Mapping[str, object]]:
        ids = [each.id for each in records]
        found = [await count(ids) for count in counts]
        return {id: {field: sum([each.get(id, 0) for each in found])} for id in ids}

    return AsyncProof(kind, store, expected, _counting(store, expected))


def _of_slugs(kind: str, store: AsyncDocuments[Any]) -> AsyncProof:
    """That a thing is found by its slug."""

    async def expected(records: Sequence[Any]) -> Mapping[str, Mapping[str, object]]:
        return {each.id: {"slugs": recounts.led_to_by(each)} for each in records}

    async def mend(id: str) -> None:
        for _ in range(_ATTEMPTS):
            stored = await store.by_id(id)
            if stored is None:
                return
            with suppress(Stale):
                with suppress(Taken):  # it is another's: somebody has to look
                    await store.swap(stored, stored.record.evolve(slugs=recounts.led_to_by(stored.record)))
                return

    return AsyncProof(kind, store, expected, mend)


def _of_areas(
    areas: AsyncAreas, store: AsyncAreaRepository, follows: AsyncFollowRepository, filed: Sequence[AsyncFiled]
) -> list[AsyncProof]:
    """That areas stand where they hang, who follows them, and what is filed under them."""

    async def placed(records: Sequence[Area]) -> Mapping[str, Mapping[str, object]]:
        found = await areas.placed(records)
        return {each.id: {"path": each.path, "breadcrumbs": each.breadcrumbs} for each in found}

    return [
        AsyncProof("area", store, placed, areas.place),
        _of_slugs("area", store),
        _counted("area", store, "follower_count", [follows.followers_of]),
        _counted("area", store, "content_count", [each.in_areas for each in filed]),
    ]


def _of_answers(
    service: AsyncAnswers, answers: AsyncAnswerRepository, questions: AsyncQuestionRepository
) -> list[AsyncProof]:
    """How many answers a question has, that the accepted one is among them, and that it says so itself."""

    async def accepted(records: Sequence[Question]) -> Mapping[str, Mapping[str, object]]:
        named = [each.accepted_answer_id for each in records if each.accepted_answer_id is not None]
        found = {each.record.id: each.record for each in await answers.by_ids(named)}
        return {each.id: {"accepted_answer_id": _accepted(each, found)} for each in records}

    async def let_go(id: str) -> None:
        stored = await questions.by_id(id)
        if stored is not None and stored.record.accepted_answer_id is not None:
            await service.let_go(id, stored.record.accepted_answer_id)

    async def marked(records: Sequence[Answer]) -> Mapping[str, Mapping[str, object]]:
        asked = await questions.by_ids(list({each.question_id for each in records}))
        chosen = {each.record.accepted_answer_id for each in asked}
        return {each.id: {"is_accepted": each.id in chosen} for each in records}

    return [
        _counted("question", questions, "answer_count", [answers.of_questions]),
        AsyncProof("question", questions, accepted, let_go),
        AsyncProof("answer", answers, marked, _counting(answers, marked)),
    ]


def _accepted(question: Question, answers: Mapping[str, Answer]) -> str | None:
    answer = answers.get(question.accepted_answer_id or "")
    if answer is None or answer.deleted_at is not None or answer.question_id != question.id:
        return None
    return answer.id


def _of_votes(kind: str, store: AsyncDocuments[Any], votes: AsyncVoteRepository) -> AsyncProof:
    """How many votes a thing has, for it and against it."""

    async def expected(records: Sequence[Any]) -> Mapping[str, Mapping[str, object]]:
        found = await votes.of_targets([each.id for each in records])
        tallies = {each.id: found.get(each.id, Tally(0, 0)) for each in records}
        return {id: {"upvote_count": tally.up, "downvote_count": tally.down} for id, tally in tallies.items()}

    return AsyncProof(kind, store, expected, _counting(store, expected))


def _of_likes(store: AsyncInsightRepository, votes: AsyncVoteRepository) -> AsyncProof:
    """How many like an insight."""

    async def likes(ids: Sequence[str]) -> Mapping[str, int]:
        return {id: tally.up for id, tally in (await votes.of_targets(ids)).items()}

    return _counted("insight", store, "like_count", [likes])


def _counting(
    store: AsyncDocuments[Any],
    expected: Callable[[Sequence[Any]], Awaitable[Mapping[str, Mapping[str, object]]]],
    pause: Callable[[int], Awaitable[None]] = async_backoff,
) -> Callable[[str], Awaitable[None]]:
    """Counts one thing anew, as whoever changes what is counted does."""

    async def mend(id: str) -> None:
        stored = await store.by_id(id)
        if stored is None:
            return

        async def count() -> dict[str, Any]:
            return dict((await expected([stored.record]))[id])

        await recounted(store, id, count, pause)

    return mend
