"""``import tektree`` costs next to nothing and needs nothing; every name is there when it is used.

What loads what is only visible in a fresh interpreter, so most of this runs in one.
"""

import ast
import copy
import inspect
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tektree
from tektree import errors

DRIVERS = {"bson", "fakeredis", "gridfs", "mongomock", "motor", "pymongo", "redis"}
NO_NETWORK = """
import sys

def deny(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(f"touched the network: {event} {arguments}")

sys.addaudithook(deny)
"""
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def fresh(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What ``code`` does in an interpreter of its own."""
    command = [sys.executable, "-I", "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def printed(code: str) -> str:
    done = fresh(code)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_importing_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import tektree; print(*sorted(set(sys.modules) - before))"
    assert printed(NO_NETWORK + code) == "tektree"


def test_an_error_needs_neither_pydantic_nor_a_driver() -> None:
    code = "import sys; from tektree import TekTreeError; print(*sys.modules)"
    assert not {"pydantic", "bcrypt", "slugify", *DRIVERS} & set(printed(code).split())


@pytest.mark.parametrize("name", ["TekTree", "AsyncTekTree"])
def test_in_memory_loads_no_driver_and_no_network(name: str) -> None:
    code = f"import sys; from tektree import {name}; {name}.in_memory(); print(*sys.modules)"
    assert not {*DRIVERS, "hypothesis", "pytest", "rich"} & set(printed(NO_NETWORK + code).split())


def test_every_name_is_there() -> None:
    code = "import tektree; print(*[name for name in tektree.__all__ if getattr(tektree, name, None) is None])"
    assert printed(NO_NETWORK + code) == ""


def test_a_star_import_gives_every_name() -> None:
    code = "from tektree import *; import tektree; print(*[name for name in tektree.__all__ if name not in globals()])"
    assert printed(code) == ""


def test_names_are_listed_before_they_are_loaded() -> None:
    assert printed("import tektree; print(set(tektree.__all__) <= set(dir(tektree)))") == "True"
    assert len(set(tektree.__all__)) == len(tektree.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tektree' has no attribute 'Nonsense'"):
        _ = tektree.Nonsense
    assert not hasattr(tektree, "_private")


def test_type_checkers_see_what_the_interpreter_sees() -> None:
    tree = ast.parse(Path(tektree.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    loaded = {name: tektree._ELSEWHERE.get(name, "tektree.errors") for name in tektree.__all__ if name != "__version__"}
    assert seen == loaded


def test_every_error_is_public() -> None:
    assert set(errors.__all__) <= set(tektree.__all__)
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert defined == set(errors.__all__)


def _samples() -> list[errors.TekTreeError]:
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    special = {"differs": ("amount", "about"), "retry_after": 1.5, "limit": 20, "resets_at": new_year}
    return [
        error(**{name: special.get(name, f"a {name}") for name in inspect.signature(error).parameters})
        for error in [getattr(errors, name) for name in errors.__all__]
    ] + [errors.RateLimited("login", 2.5).answered_with({"Retry-After": "3"})]


@pytest.mark.parametrize("error", _samples(), ids=lambda error: type(error).__name__)
def test_an_error_survives_copying_and_pickling(error: errors.TekTreeError) -> None:
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]  # noqa: S301 - ours
    for twin in [copy.copy(error), copy.deepcopy(error), *pickled]:
        assert type(twin) is type(error)
        assert str(twin) == str(error) == error.message
        assert vars(twin) == vars(error)
        assert errors.facts(twin) == errors.facts(error)


def test_every_error_has_its_own_code() -> None:
    codes = [getattr(errors, name).code for name in errors.__all__]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("driver", "extra", "call"),
    [
        ("pymongo", "mongo", "TekTree.connect(mongo='mongodb://localhost/tektree')"),
    ],
)
def test_a_missing_extra_says_which_to_install(driver: str, extra: str, call: str) -> None:
    if not hasattr(tektree.TekTree, "connect"):
        pytest.skip("this version runs in memory only")
    code = f"import tektree\ntry:\n    tektree.{call}\nexcept tektree.ConfigurationError as error:\n    print(error)"
    assert f"tektree[{extra}]" in printed(WITHOUT.format(modules={driver}) + code)


def test_the_command_says_which_extra_it_needs() -> None:
    code = "import tektree.cli; raise SystemExit(tektree.cli.main(['demo']))"
    done = fresh(WITHOUT.format(modules={"rich"}) + code)
    assert done.returncode == 0 or "tektree[cli]" in done.stderr, done.stdout + done.stderr
