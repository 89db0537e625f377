"""Whom a command is about: everybody, one after the other, or the one that was named."""

from collections.abc import Iterator
from contextlib import suppress

from tektree import TekTree
from tektree._cli.screen import Progress
from tektree.errors import InvalidInput, NotFound
from tektree.ids import is_hex_id, uid_of, user_id_of

__all__ = ["everybody", "id_of"]

_PAGE = 500


def everybody(tek: TekTree) -> Iterator[str]:
    """The ids of all who are enrolled, read page by page."""
    after = None
    while True:
        page = tek.gamification.users(after, _PAGE)
        yield from page.items
        after = page.next
        if after is None:
            return


def id_of(tek: TekTree, user: str) -> str:
    """The id of the ``user`` whom ``--user`` names by id or by uid. Raises `InvalidInput` for who is not enrolled.

    A uid is looked for under the id that `enroll` derives from it, and then among everybody.
    """
    with Progress("looking for the user") as progress:
        for done, user_id in enumerate(_candidates(tek, user)):
            with suppress(NotFound):
                profile = tek.gamification.profile(user_id)
                if user in (profile.user_id, profile.uid):
                    return user_id
            progress(done, None, f"{done:,} users")
    raise InvalidInput("--user", "is not enrolled here")


def _candidates(tek: TekTree, user: str) -> Iterator[str]:
    if is_hex_id(user):
        yield user
        return
    try:
        yield user_id_of(uid_of(user))
    except InvalidInput:
        raise InvalidInput("--user", "must be an id of 24 hex digits, or a uid such as usr_ada") from None
    yield from everybody(tek)
