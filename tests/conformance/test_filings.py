"""Looking at accounts, areas and questions one by one keeps every promise of looking at them together."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tektree._async.sdk import memory_backends as async_memory_backends
from tektree._async.services.filing import AsyncOneByOne
from tektree._sync.sdk import memory_backends
from tektree._sync.services.filing import OneByOne
from tektree.models.premises import Premises
from tektree.ports import AsyncBackends, Backends
from tektree.testing import checks, run, run_async
from tests.lanes import enter

CHECKS = checks("filings")


def storages(kind: type[OneByOne] = OneByOne) -> Callable[[], Backends]:
    def made() -> Backends:
        backends = memory_backends()
        assert backends.areas is not None
        return replace(backends, filings=kind(backends.accounts, backends.areas, backends.questions))

    return made


def async_storages() -> AsyncBackends:
    backends = async_memory_backends()
    assert backends.areas is not None
    return replace(backends, filings=AsyncOneByOne(backends.accounts, backends.areas, backends.questions))


@pytest.mark.parametrize("check", CHECKS)
def test_one_by_one_keeps(check: str) -> None:
    enter("memory")
    run(check, storages())


@pytest.mark.parametrize("check", CHECKS)
def test_async_one_by_one_keeps(check: str) -> None:
    enter("memory")
    asyncio.run(run_async(check, async_storages))


@pytest.mark.parametrize("missing", ["filings", "areas", "questions"])
def test_storages_without_filings_are_found(missing: str) -> None:
    for check in CHECKS:
        with pytest.raises(AssertionError, match="the storages have no"):
            run(check, replace(storages()(), **{missing: None}))


class AlwaysTellsWho(OneByOne):
    def premises(self, *asked: Any, account: bool) -> Premises:
        return super().premises(*asked, account=True)


class NeverTellsWho(OneByOne):
    def premises(self, *asked: Any, account: bool) -> Premises:
        return super().premises(*asked, account=False)


class LosesTheDeleted(OneByOne):
    def premises(self, *asked: Any, account: bool) -> Premises:
        found = super().premises(*asked, account=account)
        return found._replace(areas=[each for each in found.areas if each.deleted_at is None])


class FilesAreNobodys(OneByOne):
    def premises(self, *asked: Any, account: bool) -> Premises:
        return super().premises(*asked, account=account)._replace(taken=())


class FilesAreEverybodys(OneByOne):
    def premises(self, user_id: str, areas: Sequence[str], files: Sequence[str], *, account: bool) -> Premises:
        return (
            super()
            .premises("0" * 24, areas, files, account=False)
            ._replace(user=super().premises(user_id, (), (), account=account).user)
        )


class OnlyTheDisabledAreMissing(OneByOne):
    def premises(self, *asked: Any, account: bool) -> Premises:
        found = super().premises(*asked, account=account)
        return found if found.user is None or found.user.status == "active" else found._replace(user=None)


BROKEN = [
    AlwaysTellsWho,
    NeverTellsWho,
    LosesTheDeleted,
    FilesAreNobodys,
    FilesAreEverybodys,
    OnlyTheDisabledAreMissing,
]


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_what_breaks_a_promise_is_found(kind: type[OneByOne]) -> None:
    enter("memory")
    said = []
    for check in CHECKS:
        try:
            run(check, storages(kind))
        except AssertionError as error:
            said.append(str(error))
    assert said
    assert all(len(each) > 10 for each in said), "a check that fails says what is wrong"
