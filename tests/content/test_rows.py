"""The rows of the security checklist that content answers for so far: each is named by a test of content."""

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tektree.errors import InvalidInput, NotFound
from tektree.models.answers import AnswerDraft, CodeSnippet
from tektree.models.areas import AreaDraft
from tektree.models.insights import InsightDraft
from tektree.models.questions import QuestionDraft
from tests.content.test_areas import ADA, BEN, made
from tests.content.test_questions import asked
from tests.content.worlds import POLICY, World, refused

TESTS = Path(__file__).resolve().parent.parent
OF_CONTENT = (
    "areas questions answers insights votes visibility content slugs tags search cursors erasures".split()  # noqa: SIM905
)
ROWS = {
    *(f"E{row}" for row in (1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18)),
    *(f"F{row}" for row in (1, 2, 4, 7, 9, 10, 14, 15, 17, 18, 19, 23, 25, 27, 28)),
    *(f"G{row}" for row in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21)),
    *(f"J{row}" for row in (10, 32, 33, 34, 35)),
}
"""Not yet: profiles (G18)."""


def paths() -> Iterator[Path]:
    yield from (TESTS / "content").glob("test_*.py")
    for name in OF_CONTENT:
        yield from [
            path for folder in ("rules", "backends/mongo") if (path := TESTS / folder / f"test_{name}.py").exists()
        ]


def test_every_row_is_named_by_a_test() -> None:
    named: set[str] = set()
    for path in paths():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named |= set(re.findall(r"\b[A-K]\d{1,2}\b", ast.get_docstring(node) or ""))
    assert sorted(ROWS - named) == []


@pytest.mark.parametrize(
    "draft",
    [
        lambda: QuestionDraft(title="t", body="x" * 17_000_000),
        lambda: AreaDraft(title="t", details="x" * 17_000_000),
        lambda: AreaDraft(title="x" * 17_000_000),
        lambda: AnswerDraft(body="b", code_snippets=[CodeSnippet(language="go", code="x" * 99_000)] * 21),
        lambda: QuestionDraft(title="t", body="b", tags=[str(at) for at in range(100_000)]),
        lambda: QuestionDraft(title="t", body="b", areas=[ADA.id] * 100_000),
        lambda: QuestionDraft(title="t", body="b", files=["f"] * 100_000),
        lambda: InsightDraft(title="t", body="x" * 17_000_000),
        lambda: InsightDraft(title="t", body="b", areas=[ADA.id] * 100_000),
    ],
)
def test_what_is_too_much_is_refused_at_once(draft: Any) -> None:
    """F9, F10: on all backends alike, far from the 16 MB of a document."""
    began = time.process_time()
    with pytest.raises(InvalidInput):
        draft()
    assert time.process_time() - began < 1


def test_text_that_cannot_be_stored_is_refused(world: World) -> None:
    """F17, F18: in every field, made or edited."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        area, question = await made(tek, "Go"), await asked(tek)
        for text in ("a\0", "\ud800"):
            for fields in ({"title": text}, {"tags": [text]}):
                with pytest.raises(InvalidInput):
                    AreaDraft(**{"title": "t", **fields})
                await refused(InvalidInput, tek.areas.edit(ADA, area.id, **fields))
                await refused(InvalidInput, tek.questions.edit(ADA, question.id, **fields))
            await refused(InvalidInput, tek.questions.edit(ADA, question.id, body=text))
            await refused(InvalidInput, tek.questions.close(ADA, question.id, text))

    world.run(scenario)


def test_a_stranger_who_sees_nothing_hides_nothing_from_the_author(world: World) -> None:
    """G16: in any order of reads."""

    async def scenario(world: World) -> None:
        tek = world.tek(POLICY)
        question = await asked(tek, visibility="private")
        for _ in range(2):
            await refused(NotFound, tek.questions.get(BEN, question.id))
            assert (await tek.questions.get(ADA, question.id)).id == question.id
            await refused(NotFound, tek.questions.by_slug(BEN, question.slug))
            assert (await tek.questions.by_slug(ADA, question.slug)).id == question.id

    world.run(scenario)
