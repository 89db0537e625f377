"""The documentation is true: its Python runs, its links lead somewhere, its tables are those of the code.

Convention: the fenced ``python`` blocks of a page run in order, in one namespace, as a reader would type them.
"""

import doctest
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tektree
from tektree import errors

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """The fenced blocks in ``language``, each with the number of lines above its code."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        if block[1] == language:
            yield text.count("\n", 0, block.start(2)), block[2]


@NAMED
def test_its_python_runs(page: Path) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for above, code in blocks(page, "python"):
        exec(compile("\n" * above + code, page, "exec", dont_inherit=True), namespace)  # noqa: S102 - that is the test


@NAMED
def test_its_links_lead_somewhere(page: Path) -> None:
    links = [link.partition("#")[0] for link in _LINK.findall(page.read_text(encoding="utf-8"))]
    inside = [link for link in links if link and not link.startswith(("https://", "mailto:"))]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in _LINK.findall(index.read_text(encoding="utf-8"))}
    assert [page for page in (ROOT / "docs").rglob("*.md") if page != index and page.resolve() not in linked] == []


def _modules() -> list[str]:
    found = pkgutil.walk_packages(tektree.__path__, "tektree.")
    # What is written in _async runs in its twin, where no loop is needed.
    return [module.name for module in found if not module.name.startswith(("tektree._async", "tektree.__main__"))]


@pytest.mark.parametrize("name", _modules())
def test_the_examples_of_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_readme_begins_with_two_commands_that_do_all_the_set_up() -> None:
    commands = [code for _, code in blocks(ROOT / "README.md", "sh")][:2]
    assert len(commands) == 2
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert command.count("\n") == 1


def test_the_readme_lists_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Extras")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(project["optional-dependencies"])


def test_the_page_of_errors_is_that_of_the_code() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    tree = re.search(r"^    TekTreeError\n(?:    .+\n)+", errors.__doc__ or "", re.MULTILINE)
    assert tree
    assert re.sub("^    ", "", tree[0], flags=re.MULTILINE) in page
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE))
    assert rows == {name: getattr(errors, name).code for name in errors.__all__ if name != "TekTreeError"}
