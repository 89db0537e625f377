"""What is built is what is meant: a typed wheel without tests, and a source distribution that can test itself."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import tektree

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = f"tektree-{PROJECT['version']}"


def build(source: Path, target: Path) -> tuple[Path, Path]:
    """The wheel and the source distribution made from ``source``, by the build backend alone: it needs no network."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return target / f"{NAME}-py3-none-any.whl", target / f"{NAME}.tar.gz"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def wheel_contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_version_is_one() -> None:
    assert tektree.__version__ == PROJECT["version"] == version("tektree")


def test_the_changelog_ends_at_this_version_or_before_it() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == PROJECT["version"]
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_wheel_holds_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    contents = wheel_contents(built[0])
    source = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*") if path.is_file()}
    package = {name for name in source if name.startswith("tektree/") and "__pycache__" not in name}
    assert {name for name in contents if ".dist-info/" not in name} == package
    assert "tektree/py.typed" in package


def test_the_wheel_says_what_it_is(built: tuple[Path, Path]) -> None:
    contents = wheel_contents(built[0])
    metadata = contents[f"{NAME}.dist-info/METADATA"].decode().splitlines()
    assert {"License-Expression: MIT", "License-File: LICENSE", "Requires-Python: >=3.11"} <= set(metadata)
    assert contents[f"{NAME}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"tektree = tektree.cli:main" in contents[f"{NAME}.dist-info/entry_points.txt"]


def test_the_source_distribution_can_test_and_build_itself(built: tuple[Path, Path], tmp_path: Path) -> None:
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / NAME
    for path in (
        "tests/conftest.py",
        "tools/unasync.py",
        ".ci/run",
        "docs/README.md",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
    ):
        assert (unpacked / path).read_bytes() == (ROOT / path).read_bytes()
    wheel, _ = build(unpacked, tmp_path / "again")
    assert wheel_contents(wheel) == wheel_contents(built[0])
