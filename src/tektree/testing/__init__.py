"""For hosts: clocks and ids that tests hold in their hands, strategies, storages that fail, and conformance checks.

Names are loaded when they are first used. `strategies` are of Hypothesis and need an extra:
``pip install "tektree[testing]"``; the rest needs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tektree.testing import strategies
    from tektree.testing.clocks import ManualClock
    from tektree.testing.conformance import checks, run, run_async
    from tektree.testing.explorer import Exploration, explore, stepping
    from tektree.testing.faults import Call, Crash, Fault, Faulty, yielding
    from tektree.testing.ids import SeededIds

__all__ = [
    "Call",
    "Crash",
    "Exploration",
    "Fault",
    "Faulty",
    "ManualClock",
    "SeededIds",
    "checks",
    "explore",
    "run",
    "run_async",
    "stepping",
    "strategies",
    "yielding",
]

_ELSEWHERE = {
    "Call": "faults",
    "Crash": "faults",
    "Exploration": "explorer",
    "Fault": "faults",
    "Faulty": "faults",
    "ManualClock": "clocks",
    "SeededIds": "ids",
    "checks": "conformance",
    "explore": "explorer",
    "run": "conformance",
    "run_async": "conformance",
    "stepping": "explorer",
    "yielding": "faults",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_ELSEWHERE.get(name, name)}")
    value: object = getattr(module, name) if name in _ELSEWHERE else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
