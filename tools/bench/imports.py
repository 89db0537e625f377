"""How long ``import tektree`` takes beside an interpreter that does nothing: whole processes, taken in turns.

Run it: ``python tools/bench/imports.py``. The front door is lazy: what a name needs is loaded when it is first used,
which the other rows show.
"""

import subprocess
import sys
from functools import partial

from measuring import arguments, medians, show

PROGRAMS = {
    "a bare interpreter": "pass",
    "import tektree": "import tektree",
    "from tektree import Board": "from tektree import Board",
    "from tektree import TekTree": "from tektree import TekTree",
}


def main() -> None:
    """Prints the table."""
    rounds = 2 if arguments(__doc__).quick else 40
    taken = medians({name: partial(_run, program) for name, program in PROGRAMS.items()}, rounds, 1)
    bare = taken["a bare interpreter"]
    show("processes", ("ms", "ratio", "program"), [(each / 1000, each / bare, name) for name, each in taken.items()])


def _run(program: str) -> object:
    return subprocess.run([sys.executable, "-c", program], check=True)


if __name__ == "__main__":
    main()
