"""Recounts: whether the profile, the ledger, the event log and the boards say the same of a user."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.leaderboards import AsyncOpenBoards
from tektree._async.services.commits import AsyncCommits
from tektree.clock import Clock, read
from tektree.models.base import INT53
from tektree.models.events import Event
from tektree.models.gamification import Divergence, Folded, GamificationProfile, Verification, XPTransaction
from tektree.models.leaderboards import Board
from tektree.policy import Policy
from tektree.rules import projections, retelling

__all__ = ["AsyncRecounts"]

_PAGE: Final = 500


class AsyncRecounts:
    """Counts again, and compares. Nothing is written."""

    def __init__(self, backends: AsyncBackends, commits: AsyncCommits, policy: Policy, clock: Clock) -> None:
        self._ledger = backends.ledger
        self._log = backends.events
        self._boards = backends.leaderboards
        self._commits = commits
        self._policy = policy
        self._clock = clock

    async def verify(self, user_id: str) -> Verification:
        """Whether all that is stored of a user's XP agrees."""
        profile = await self._commits.profile(user_id)
        state = seen = projections.START
        async for row in self.rows(user_id):
            following = projections.step(state, row, self._policy)
            divergence = projections.row_divergence(state, row, following)
            if divergence:
                return Verification(user_id=user_id, rows=row.seq, divergence=divergence)
            state = following
            seen = state if state.seq <= profile.seq else seen
        if state.seq == 0:  # XP without a row of ours was adopted, and comes to the boards with the first row
            placed = await self._placed(user_id) if profile.total_xp <= 0 else None
            return Verification(user_id=user_id, rows=0, divergence=placed)
        if profile.seq < state.seq:  # it lags, unless an award came in while we counted
            profile = await self._commits.profile(user_id)
            seen = state if profile.seq >= state.seq else seen
        divergence = projections.compared(state, profile) if profile.seq <= state.seq else None
        divergence = divergence or await self._told(profile, state) or await self._placed(user_id)
        return Verification(user_id=user_id, rows=state.seq, divergence=divergence)

    async def rows(self, user_id: str) -> AsyncIterator[XPTransaction]:
        """The user's rows, oldest first."""
        after = 0
        while rows := await self._ledger.rows(user_id, after, _PAGE):
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                break
            after = rows[-1].seq

    async def _told(self, profile: GamificationProfile, state: Folded) -> Divergence | None:
        """Where the events of the user's ledger part from it. Those that still stand on their rows count as told."""
        stream, said = f"user:{profile.uid or profile.user_id}:xp", retelling.START
        untold: Mapping[int, Event] | None = None
        while said.events < state.event_seq:
            page = {retelling.number(each): each for each in await self._log.stream(stream, said.events, _PAGE)}
            before = said.events
            while said.events < state.event_seq:
                event = page.get(said.events + 1)
                if event is None and said.events + 1 <= max(page, default=INT53):  # it is not merely on the next page
                    untold = await self._untold(profile.user_id, said.rows) if untold is None else untold
                    event = untold.get(said.events + 1)
                if event is None:
                    break
                following = retelling.heard(said, event)
                if isinstance(following, Divergence):
                    return following
                said = following
            if said.events == before:
                break
        return retelling.compared(state, said)

    async def _untold(self, user_id: str, after: int) -> Mapping[int, Event]:
        """The events that rows behind that number still carry, by their own."""
        found: dict[int, Event] = {}
        while rows := await self._ledger.tail(user_id, after, _PAGE):
            found |= {retelling.number(event): event for each in rows for event in each.outbox}
            after = rows[-1].row.seq
        return found

    async def _placed(self, user_id: str) -> Divergence | None:
        """Where the boards part from the profile; looked at twice, because an award may come in between."""
        found = None
        for _ in range(2):
            profile = await self._commits.profile(user_id)
            found = await self._misplaced(profile, read(self._clock))
            if found is None or await self._ledger.tail(user_id, profile.seq, 1):  # the rest of an award is on its way
                return None
        return found

    async def _misplaced(self, profile: GamificationProfile, now: datetime) -> Divergence | None:
        if profile.uid is None:
            return None
        scores = {Board.GLOBAL: profile.total_xp}
        if profile.week is not None and not Board(profile.week).is_over(now):
            scores[Board(profile.week)] = profile.weekly_xp
        for board, score in scores.items():
            expected = None if profile.leaderboard_opt_out or score <= 0 else score
            parted = await self._parted(board, profile.uid, expected, now)
            if parted is not None:
                what, due, found = parted
                return Divergence(seq=profile.seq, field=f"{what} {board.name}", expected=str(due), found=str(found))
        return None

    async def _parted(
        self, board: Board, uid: str, expected: int | None, now: datetime
    ) -> tuple[str, object, object] | None:
        """What of a board is not as it should be, what it should be, and what it is: first by our own order, and then
        for others who read it. Whoever verifies all users has every member compared, and knows that there are no more.
        """
        standing = await self._boards.rank(board, uid, now)
        looked: list[tuple[str, object, object]] = [("board", expected, None if standing is None else standing.score)]
        if isinstance(self._boards, AsyncOpenBoards):
            score, members, placed = await self._boards.shown(board, uid, now)
            looked += [("board", expected, score), ("members of board", placed, members)]
        return next((each for each in looked if each[1] != each[2]), None)
