"""Leaderboards: who stands where, of all time and of each ISO week."""

from collections.abc import Sequence
from typing import Final

from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.leaderboards import AsyncOpenBoards
from tektree._async.services.gamification import Progress, reporting
from tektree._flavour import async_call
from tektree.clock import Clock, read
from tektree.ids import uid_of
from tektree.models.events import Event
from tektree.models.leaderboards import Board, BoardEntry, Standing
from tektree.rules import inputs, leaderboards

__all__ = ["AsyncLeaderboards"]

_PAGE: Final = 500


class AsyncLeaderboards:
    """Ranks by XP. Users are named by ``uid``; who has no XP or opted out stands nowhere, and ranks have no gaps.

    The order is the same everywhere: score, then who reached it first, then uid. A week's board is given up eight
    weeks after the week; then the ledger answers the same questions, more slowly.
    """

    follows: Final = (*leaderboards.HEARD, *leaderboards.SETTINGS)
    """The events that the boards can be made of."""

    def __init__(self, backends: AsyncBackends, clock: Clock) -> None:
        self._profiles = backends.gamification
        self._ledger = backends.ledger
        self._boards = backends.leaderboards
        self._clock = clock

    async def top(self, board: Board, limit: int = 10) -> list[Standing]:
        """The first ``limit`` places (1 to 1,000), best first. Raises `InvalidInput`."""
        inputs.whole(limit, "limit", 1, 1000)
        now = read(self._clock)
        if inputs.board(board).is_over(now):
            return (await self._past(board))[:limit]
        return list(await self._boards.top(board, limit, now))

    async def rank(self, board: Board, uid: str) -> Standing | None:
        """The place of one user; None for who is not on the board. Raises `InvalidInput`."""
        uid_of(uid)
        now = read(self._clock)
        if inputs.board(board).is_over(now):
            return next((each for each in await self._past(board) if each.uid == uid), None)
        return await self._boards.rank(board, uid, now)

    async def around(self, board: Board, uid: str, span: int = 2) -> list[Standing]:
        """The place of one user with up to ``span`` (0 to 100) on either side; empty for who is not on the board.

        Raises `InvalidInput`.
        """
        uid_of(uid)
        inputs.whole(span, "span", 0, 100)
        now = read(self._clock)
        if not inputs.board(board).is_over(now):
            return list(await self._boards.around(board, uid, span, now))
        places = await self._past(board)
        at = next((at for at, each in enumerate(places) if each.uid == uid), None)
        return [] if at is None else places[max(0, at - span) : at + span + 1]

    async def follow(self, events: Sequence[Event]) -> None:
        """Brings the boards up to what events of rows and settings say, for a consumer that keeps them.

        Again, or out of order, nothing happens. Who is hidden is never shown meanwhile: the profile is asked.
        """
        now = read(self._clock)
        entries = [entry for event in events for entry in leaderboards.heard(event)]
        settled = {each.payload["user_id"] for each in events if each.payload.get("settings_version")}
        settled |= {each.payload["user_id"] for each in events if each.event_type in leaderboards.SETTINGS}
        hidden: dict[str, tuple[int, bool]] = {}
        for uid in settled:
            profile = await self._profiles.by_uid(uid)
            if profile is not None:
                hidden[uid] = profile.settings_version, profile.leaderboard_opt_out
                await self._boards.hide(uid, profile.settings_version, profile.leaderboard_opt_out, now)
        if entries:
            await self._boards.put([_settled(entry, hidden.get(entry.uid)) for entry in entries], now)

    async def rebuild(self, board: Board, progress: Progress | None = None) -> int:
        """Writes a board anew from the ledger, while awards go on; gives back how many users were written.

        Then exactly they stand on it: what others put there is taken off. Memory does not grow with the board.
        ``progress`` is told after each user who was looked at. Where boards are read from profiles and ledger, as over
        MongoDB without Redis, there is nothing that could be wrong, and nothing comes of it. A week's board that is
        given up is not made again. Raises `InvalidInput`.
        """
        inputs.board(board)
        reporting(progress)
        if board.week is not None:
            written = await self._rebuild_week(board, board.week, progress)
        else:
            written = await self._rebuild_global(progress)
        if isinstance(self._boards, AsyncOpenBoards):
            await self._boards.tidy(board, read(self._clock))
        return written

    async def _rebuild_global(self, progress: Progress | None) -> int:
        total, done, written, after = await self._profiles.count(), 0, 0, None
        while users := await self._profiles.users(after, _PAGE):
            for user_id in users:
                if entries := await self._newest(user_id):
                    await self._boards.put(entries, read(self._clock))
                    written += 1
                done += 1
                if progress is not None:
                    await async_call(progress, done, max(total, done))
            after = users[-1]
        return written

    async def _rebuild_week(self, board: Board, week: str, progress: Progress | None) -> int:
        if board.is_over(read(self._clock)):
            return 0
        entries = await self._ledger.standings(week)
        for done, entry in enumerate(entries, start=1):
            await self._boards.put([entry], read(self._clock))
            if progress is not None:
                await async_call(progress, done, len(entries))
        return len(entries)

    async def _newest(self, user_id: str) -> list[BoardEntry]:
        """What the user's newest row says of the board of all time; it may be ahead of the profile.

        Without a row of ours it is the profile that says it, if that was adopted with XP.
        """
        profile = await self._profiles.profile(user_id)
        rows = await self._ledger.history(user_id, None, 1)
        if profile is None or profile.uid is None or (not rows and profile.total_xp <= 0):
            return []
        newest = leaderboards.ahead(profile, rows[0]) if rows else profile
        return [leaderboards.global_entry(newest, profile.uid)]

    async def _past(self, board: Board) -> list[Standing]:
        return leaderboards.standings(await self._ledger.standings(board.week or ""))


def _settled(entry: BoardEntry, settings: tuple[int, bool] | None) -> BoardEntry:
    return entry if settings is None else entry._replace(settings_version=settings[0], hidden=settings[1])
