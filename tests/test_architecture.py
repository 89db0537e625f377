"""The house stands: each floor imports what its row allows, nothing points back, rules are pure, one module reads time.

The table below is that of docs/explanation/the-house.md. It is checked on syntax trees, so imports inside functions and
those for type checkers count too. Every check is also shown to catch a module that breaks it.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tektree"
THE_HOUSE = ROOT / "docs" / "explanation" / "the-house.md"

_PUBLIC = "__init__ errors ids clock models policy rules wire ports services backends"

FLOORS = {
    floor: frozenset(allowed.split())
    for floor, allowed in {
        "errors": "",
        "ids": "errors",
        "clock": "errors",
        "tracing": "opentelemetry",
        "redaction": "",
        "context": "errors ids models tracing",
        "_flavour": "errors",
        "models": "errors ids pydantic",
        "policy": "errors ids models pydantic",
        "rules": "errors ids models policy",
        "wire": "errors ids models pydantic bson",
        "_async": "",
        "_async.ports": "errors ids models",
        "_async.services": "errors ids clock context tracing _flavour models policy rules _async.ports",
        "_async.backends": "",
        "_async.backends.memory": "errors ids clock _flavour models wire _async.ports",
        "_async.backends.mongo": "errors ids _flavour redaction models wire _async.ports bson pymongo motor",
        "_async.backends.redis": "errors ids _flavour models wire _async.ports redis",
        "_async.conformance": "errors ids models policy rules _async.ports pydantic",
        "_async.sdk": "errors ids clock _flavour models policy rules wire _async.ports _async.services"
        " _async.backends.memory _async.backends.mongo _async.backends.redis",
        "ports": "_async.ports _sync.ports",
        "services": "_async.services _sync.services",
        "backends": "_async.backends.memory _sync.backends.memory _async.backends.mongo _sync.backends.mongo"
        " _async.backends.redis _sync.backends.redis",
        "__init__": "errors models policy _async.sdk _sync.sdk",
        "testing": f"{_PUBLIC} _async.conformance _sync.conformance pydantic hypothesis pytest",
        "_importing": "__init__ errors models",
        "activity": "__init__ _importing errors models policy rules",
        "community": "__init__ _importing errors ids clock context models",
        "catalog": "models rules wire",
        "_cli": f"{_PUBLIC} activity community rich",
        "sinks": "models _async.ports _sync.ports _async.services _sync.services",
        "cli": "__init__ errors _cli",
        "__main__": "cli",
    }.items()
}

IN_ONE_FILE = {"bcrypt": "rules.passwords", "email_validator": "rules.particulars", "slugify": "rules.slugs"}
"""Modules that one file may use, and no other."""

INSEPARABLE = {"pydantic_core": "pydantic", "gridfs": "pymongo"}
"""Modules that come with another, and count as that one."""

IMPURE_MODULES = (
    {"asyncio", "concurrent", "socket", "subprocess", "threading", "signal"}  # waits, or is not alone
    | {"io", "logging", "os", "pathlib", "shutil", "sys", "tempfile"}  # looks around
    | {"random", "secrets", "time", "uuid"}  # is not the same twice
)
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval"})
CLOCK_READINGS = re.compile(
    r"(?:^|\.)(?:(?:datetime|date)\.(?:now|utcnow|today)|time\.(?:time|time_ns|localtime|gmtime))$"
)
SHAPELESS = frozenset({"utils", "util", "helpers", "common", "misc"})


def floor_of(module: str) -> str | None:
    """The most special row of the table that covers ``module``, a dotted name inside the package."""
    module = re.sub(r"^_sync\b", "_async", module)
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in FLOORS), None)


def violations(package: Path) -> list[str]:
    """What breaks the rules under ``package``, one line each."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        name = module.removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{module}: {fault}" for fault in _faults(name, tree, is_package=path.name == "__init__.py")]
    return found


def _faults(module: str, tree: ast.Module, *, is_package: bool) -> Iterator[str]:
    if SHAPELESS & set(module.split(".")):
        yield "is named for no idea"
    floor = floor_of(module)
    if floor is None:
        yield "is on no floor of the table"
        return
    imports = list(_imports(module, tree, is_package=is_package))
    yield from _forbidden(module, floor, imports)
    if floor.split(".")[0] == "rules":
        yield from _impurities(tree, imports)
    if module != "clock":
        yield from [f"reads the time: {text}" for text in _readings(tree)]


def _forbidden(module: str, floor: str, imports: Iterable[str]) -> Iterator[str]:
    flavour = "_sync" if module.split(".")[0] == "_sync" else "_async"
    allowed = {re.sub("^_async", flavour, name) for name in FLOORS[floor]}
    for target in imports:
        inside = target == "tektree" or target.startswith("tektree.")
        if inside and not _reaches(module, floor, target.removeprefix("tektree").lstrip("."), allowed):
            yield f"may not import {target}"
        if not inside and not _may_use(module, target.split(".")[0], allowed):
            yield f"may not use {target}"


def _reaches(module: str, floor: str, target: str, allowed: set[str]) -> bool:
    other = floor_of(target) or "__init__"
    if target.startswith("_sync"):
        other = re.sub("^_async", "_sync", other)
    own = re.sub("^_async", "_sync", floor) if module.startswith("_sync") else floor
    return other == own or other in allowed


def _may_use(module: str, top: str, allowed: set[str]) -> bool:
    top = INSEPARABLE.get(top, top)
    return top in sys.stdlib_module_names or top in allowed or IN_ONE_FILE.get(top) == module


def _imports(module: str, tree: ast.Module, *, is_package: bool) -> Iterator[str]:
    """The dotted names of all that ``module`` imports, wherever in the file."""
    package = ["tektree", *module.split(".")] if module != "__init__" else ["tektree"]
    if not is_package:
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from [f"{origin}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            yield from [
                arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]


def _impurities(tree: ast.Module, imports: Iterable[str]) -> Iterator[str]:
    yield from [f"is not pure: uses {name}" for name in imports if name.split(".")[0] in IMPURE_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield f"is not pure: async, line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield f"is not pure: calls {node.func.id}"


def _readings(tree: ast.Module) -> Iterator[str]:
    """References to a clock, called or handed on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and CLOCK_READINGS.search(ast.unparse(node)):
            yield ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from [f"time.{alias.name}" for alias in node.names if CLOCK_READINGS.search(f"time.{alias.name}")]


def test_the_house_stands() -> None:
    assert violations(PACKAGE) == []


def test_nothing_points_back() -> None:
    graph = {floor: {name for name in allowed if name in FLOORS} for floor, allowed in FLOORS.items()}
    assert list(TopologicalSorter(graph).static_order())


def test_the_documentation_has_the_same_table() -> None:
    rows = re.findall(r"^\| `([^|]+)` \|[^|]*\|([^|]*)\|$", THE_HOUSE.read_text(encoding="utf-8"), re.MULTILINE)
    written = {_dotted(floor): {_dotted(name) for name in re.findall("`([^`]+)`", allowed)} for floor, allowed in rows}
    assert written == {
        floor: set(allowed) for floor, allowed in FLOORS.items() if floor not in {"_async", "_async.backends"}
    }


def _dotted(path: str) -> str:
    return path.removesuffix("/").removesuffix(".py").replace("/", ".")


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        ("errors.py", "from tektree.ids import derived_id", "errors: may not import tektree.ids"),
        ("models/areas.py", "import pymongo", "models.areas: may not use pymongo"),
        ("models/areas.py", "from tektree.policy import Policy", "models.areas: may not import tektree.policy"),
        ("models/areas.py", "from ..rules import xp", "models.areas: may not import tektree.rules.xp"),
        ("models/areas.py", "from tektree import Policy", "models.areas: may not import tektree.Policy"),
        ("models/areas.py", "import tektree", "models.areas: may not import tektree"),
        ("models/__init__.py", "from ..wire import keys", "models.__init__: may not import tektree.wire.keys"),
        ("policy.py", "from tektree.rules.levels import Curve", "policy: may not import tektree.rules.levels"),
        ("rules/xp.py", "from tektree.wire import keys", "rules.xp: may not import tektree.wire.keys"),
        ("rules/xp.py", "import bcrypt", "rules.xp: may not use bcrypt"),
        ("rules/passwords.py", "import email_validator", "rules.passwords: may not use email_validator"),
        ("rules/xp.py", "from tektree.clock import read", "rules.xp: may not import tektree.clock"),
        ("rules/xp.py", "async def award(): ...", "rules.xp: is not pure: async"),
        ("rules/xp.py", "from random import random", "rules.xp: is not pure: uses random"),
        ("rules/xp.py", "def f(path): return open(path)", "rules.xp: is not pure: calls open"),
        ("rules/xp.py", "import datetime as d\nnow = d.datetime.now()", "rules.xp: reads the time: d.datetime.now"),
        ("wire/keys.py", "from tektree.policy import Policy", "wire.keys: may not import tektree.policy"),
        ("wire/keys.py", "import redis", "wire.keys: may not use redis"),
        ("_async/ports/areas.py", "from tektree.rules import areas", "may not import tektree.rules.areas"),
        ("_async/services/areas.py", "from tektree.wire import keys", "may not import tektree.wire.keys"),
        (
            "_async/services/areas.py",
            "from tektree._sync.ports import areas",
            "may not import tektree._sync.ports.areas",
        ),
        ("_sync/services/areas.py", "from tektree._async.ports import areas", "may not import tektree._async.ports"),
        (
            "_async/services/areas.py",
            "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from tektree._async.backends.memory import areas",
            "may not import tektree._async.backends.memory.areas",
        ),
        ("_async/services/areas.py", "def f():\n    from tektree.cli import main", "may not import tektree.cli.main"),
        ("_async/services/areas.py", "import importlib as i\ni.import_module('redis')", "may not use redis"),
        ("_async/services/areas.py", "from time import time", "reads the time: time.time"),
        ("_async/services/areas.py", "from datetime import date\nday = date.today", "reads the time: date.today"),
        ("_async/backends/memory/areas.py", "import bson", "may not use bson"),
        ("_async/backends/redis/areas.py", "from ..mongo import areas", "may not import tektree._async.backends.mongo"),
        ("_async/backends/mongo/areas.py", "from tektree.rules import areas", "may not import tektree.rules.areas"),
        ("testing/clocks.py", "from tektree._flavour import sync_locks", "may not import tektree._flavour.sync_locks"),
        ("activity.py", "from tektree._cli.screen import Screen", "activity: may not import tektree._cli.screen"),
        ("_cli/demo.py", "from tektree.cli import main", "_cli.demo: may not import tektree.cli.main"),
        ("rules/utils.py", "", "rules.utils: is named for no idea"),
        ("attic.py", "", "attic: is on no floor"),
    ],
)
def test_a_module_that_breaks_a_rule_is_caught(tmp_path: Path, path: str, code: str, complaint: str) -> None:
    planted = tmp_path / "tektree" / path
    planted.parent.mkdir(parents=True)
    planted.write_text(code, encoding="utf-8")
    assert any(complaint in line for line in violations(tmp_path / "tektree")), violations(tmp_path / "tektree")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("rules/passwords.py", "import bcrypt\nfrom tektree.rules import slugs\nfrom tektree.models.base import Value"),
        ("rules/areas.py", "from datetime import datetime\nfrom tektree.rules.slugs import slug\nday = datetime.date"),
        ("_async/services/areas.py", "from tektree._async.ports import areas\nfrom tektree.clock import read"),
        ("_sync/services/areas.py", "from tektree._sync.ports import areas\nfrom tektree._sync.services import votes"),
        ("_async/sdk.py", "from tektree._async.backends.memory.areas import AsyncMemoryAreas"),
        ("clock.py", "from datetime import datetime\nnow = datetime.now"),
        ("_cli/demo.py", "import rich\nfrom tektree import TekTree\nfrom tektree.activity import RowClock"),
        ("cli.py", "from tektree import __version__\nfrom tektree._cli.demo import run"),
    ],
)
def test_what_the_table_allows_passes(tmp_path: Path, path: str, code: str) -> None:
    planted = tmp_path / "tektree" / path
    planted.parent.mkdir(parents=True)
    planted.write_text(code, encoding="utf-8")
    assert violations(tmp_path / "tektree") == []
