"""The front door of the models: every record, every draft, loaded when it is used."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import tektree
from tektree import models
from tektree.models.base import Draft, Record
from tektree.wire.codecs import COLLECTIONS

PARTS = {"Folded", "Streak"}
"""Records that are only parts of a profile."""


def test_every_name_is_there() -> None:
    assert [name for name in models.__all__ if getattr(models, name, None) is None] == []
    assert sorted(models.__all__) == models.__all__
    assert set(models.__all__) <= set(dir(models))


def test_every_record_and_every_draft_has_its_name() -> None:
    """``tektree.models``: `User Area Question Answer Insight GamificationProfile XPTransaction Subscription Event` and
    the drafts."""
    found = [each.name for each in pkgutil.iter_modules(models.__path__) if not each.ispkg]  # not the payloads
    modules = [importlib.import_module(f"tektree.models.{name}") for name in found]
    made = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    stored = {each.__name__ for each in made if issubclass(each, Record | Draft)} - {"Record", "Draft"} - PARTS
    assert stored <= set(models.__all__)
    assert {each.__name__ for each in COLLECTIONS} <= stored


def test_a_name_is_the_same_everywhere() -> None:
    shared = set(tektree.__all__) & set(models.__all__)
    assert "GamificationProfile" in shared
    assert [name for name in shared if getattr(tektree, name) is not getattr(models, name)] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'tektree.models' has no attribute 'Nonsense'"):
        _ = models.Nonsense


def test_the_door_alone_loads_no_model() -> None:
    code = "import sys, tektree.models; print([name for name in sys.modules if 'pydantic' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
