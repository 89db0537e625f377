"""What storages promise that look at accounts, areas and questions together, check by check."""

from typing import Final

from tektree._async.conformance.accounts import account
from tektree._async.conformance.areas import OWNER, area
from tektree._async.conformance.questions import question
from tektree._async.conformance.samples import NOON, Check, event, fails, later, same
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.filings import AsyncFilings
from tektree.ids import derived_id
from tektree.models.areas import Area
from tektree.models.premises import Premises

__all__ = ["CHECKS"]

_ABSENT: Final = derived_id("area", "absent")
_OTHER: Final = derived_id("user", "other")
_A: Final = area("A", tags=("go",), author="usr_owner", path=(derived_id("area", "top"),), revision=2)
_GONE: Final = area("Gone", visibility="private", deleted_at=later(1), deleted_by=OWNER)


async def _there(backends: AsyncBackends) -> AsyncFilings:
    if backends.areas is None or backends.questions is None:
        fails("the storages have no areas, or no questions")
    await backends.accounts.insert(account("ada"), [event("ada", 1)])
    await backends.accounts.insert(account("ben", status="disabled"), [])
    for each in (_A, _GONE, area("B")):
        await backends.areas.insert(each, [event("owner", 1)])
    ada, ben = account("ada").id, account("ben").id
    for asked in (
        question("1", files=("f1", "f2"), created_by=ada),
        question("2", files=("f3",), created_by=ben, deleted_at=NOON),
        question("3", files=("f2", "f4"), created_by=ben),
        question("4", files=("f2",), created_by=_OTHER),
    ):
        await backends.questions.insert(asked, [event("owner", 2)])
    return backends.filings or fails("the storages have no filings")


def _same(what: str, found: Premises, expected: Premises) -> None:
    same(f"{what}: the account", found.user, expected.user)
    same(f"{what}: the areas", _by_id(found), _by_id(expected))
    same(f"{what}: the files", list(found.taken), list(expected.taken))


def _by_id(found: Premises) -> list[Area]:
    return sorted(found.areas, key=lambda each: each.id)


async def all_that_is_asked_is_answered_together(backends: AsyncBackends) -> None:
    """The whole account, the whole areas, deleted ones too, and the files of others' questions, each once."""
    filings, ada = await _there(backends), account("ada")
    found = await filings.premises(ada.id, [_A.id, _ABSENT, _GONE.id], ["f9", "f3", "f2", "f1", "f3"], account=True)
    _same("everything", found, Premises(ada, [_A, _GONE], ["f3", "f2"]))
    found = await filings.premises(account("ben").id, [_GONE.id], ["f1", "f3"], account=True)
    _same("of somebody else", found, Premises(account("ben", status="disabled"), [_GONE], ["f1"]))
    _same(
        "who is not there", await filings.premises(_OTHER, [_A.id], ["f4"], account=True), Premises(None, [_A], ["f4"])
    )


async def what_is_not_asked_is_not_answered(backends: AsyncBackends) -> None:
    """No account, no areas and no files, unless they are asked for."""
    filings, ada = await _there(backends), account("ada")
    for what, areas, files, asked, expected in (
        ("nothing", [], [], False, Premises(None)),
        ("the account alone", [], [], True, Premises(ada)),
        ("areas alone", [_A.id], [], False, Premises(None, [_A])),
        ("files alone", [], ["f2", "f4"], False, Premises(None, (), ["f2", "f4"])),
        ("account and areas", [_A.id], [], True, Premises(ada, [_A])),
        ("account and files", [], ["f1"], True, Premises(ada)),
        ("areas and files", [_GONE.id], ["f4"], False, Premises(None, [_GONE], ["f4"])),
    ):
        _same(what, await filings.premises(ada.id, areas, files, account=asked), expected)


CHECKS: Final[tuple[Check, ...]] = (
    all_that_is_asked_is_answered_together,
    what_is_not_asked_is_not_answered,
)
