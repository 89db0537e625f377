"""The command ``tektree``. What each command does is in a room of its own under ``_cli``; here are the arguments, the
exit codes and the one line that a mistake is told in.

A command is a row of `_COMMANDS`: its name, its arguments, and the room whose ``run`` does it. Rooms are imported
when they run, so ``--help`` needs nothing.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Final, NoReturn, TextIO

from tektree import __version__
from tektree.errors import BackendError, TekTreeError

__all__ = ["main"]

OK, WRONG, USAGE, FAILED, WARNED, INTERRUPTED, CLOSED = 0, 1, 2, 3, 4, 130, 141

_VARIABLE: Final = "TEKTREE_MONGO"
"""The environment variable that stands for ``--mongo``; empty is not set."""
_REDIS: Final = "TEKTREE_REDIS"
"""The one that stands for ``--redis``."""

_SECRET: Final = re.compile(r"(mongodb(?:\+srv)?://)(?!host/name\b)(?:.*@)?\S*|\S+:\S+@\S+", re.IGNORECASE)
"""What may hold a password: a URI, or what looks like one that lost its beginning."""

_EXIT_CODES: Final = f"""\
exit codes:
  {OK:<4} all is well
  {WRONG:<4} it ran, and what it verified or checked does not hold
  {USAGE:<4} a mistake in the arguments, in a file or in the set-up; one line on stderr says which
  {FAILED:<4} storage, or what the output is written to, failed
  {WARNED:<4} it ran, and what it looked at may break (doctor)
  {INTERRUPTED:<4} interrupted
  {CLOSED:<4} whoever read the output went away
"""


class _Parser(argparse.ArgumentParser):
    """As argparse's, but a mistake is one line."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}; see {self.prog} --help")
        raise SystemExit(USAGE)


@dataclass(frozen=True, slots=True)
class _Command:
    name: str
    room: str
    help: str
    about: str
    arguments: Callable[[argparse.ArgumentParser], None]


def _demo(parser: argparse.ArgumentParser) -> None:
    about = "play it in this database, such as mongodb://host/name (default: in memory, whatever the environment says)"
    parser.add_argument("--mongo", metavar="URI", type=_given, help=about)
    _json(parser)


def _import_activity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.csv", help="UTF-8, with the columns actor,at,source or actor,at,merge")
    parser.add_argument(
        "--zone",
        default="UTC",
        metavar="ZONE",
        help="the IANA time zone of all users, such as Europe/Berlin (default: UTC)",
    )
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="recount every user's ledger afterwards (default: yes)",
    )
    _mongo(parser, "memory")
    _json(parser)


def _import_community(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.jsonl", help="UTF-8, a JSON object on each line, with kind and at")
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="recount every user's ledger and all content afterwards (default: yes)",
    )
    _mongo(parser, "memory")
    _redis(parser)
    _json(parser)


def _setup(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(make=True)
    _mongo(parser)
    _json(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(make=False)
    _mongo(parser)
    _json(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    _user(parser)
    _mongo(parser)
    _json(parser)


def _recount(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mend", action="store_true", help="set right what is wrong; otherwise nothing is written")
    _mongo(parser)
    _json(parser)


def _rebuild(parser: argparse.ArgumentParser) -> None:
    _user(parser)
    parser.add_argument("--week", metavar="WEEK", help="also the board of this ISO week, such as 2025-W50")
    _mongo(parser)
    _json(parser)


def _relay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="one run over all that is left, then end")
    about = f"where consumers read events, such as redis://host (default: ${_REDIS}, else nowhere)"
    parser.add_argument("--redis", metavar="URI", default=os.environ.get(_REDIS) or None, type=_given, help=about)
    parser.add_argument(
        "--sinks",
        metavar="NAMES",
        default="",
        help="who events are brought to, with commas: streams, and what --load adds (default: streams with --redis)",
    )
    parser.add_argument("--policy", metavar="FILE.toml", help="the policy of the processes that tell the events")
    parser.add_argument(
        "--poll", metavar="SECONDS", type=float, default=1.0, help="how often to look where nobody tells of news"
    )
    parser.add_argument(
        "--every", metavar="SECONDS", type=float, default=10.0, help="how often to write a line of figures"
    )
    parser.add_argument(
        "--load",
        metavar="MODULE:FUNCTION",
        help="a function of yours that gets the TekTree and adds handlers and sinks; without it only reactions are run",
    )
    _mongo(parser)
    _json(parser)


def _doctor(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get(_REDIS) or None
    about = f"the server, such as redis://host (default: ${_REDIS})"
    parser.add_argument("--redis", metavar="URI", default=default, required=default is None, type=_given, help=about)
    _json(parser)


def _redis(parser: argparse.ArgumentParser) -> None:
    about = f"the Redis server beside the database, such as redis://host (default: ${_REDIS}, else none)"
    parser.add_argument("--redis", metavar="URI", type=_given, help=about)
    parser.set_defaults(redis_beside=os.environ.get(_REDIS) or None)


def _user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="UID_OR_ID", help="only this user: a uid such as usr_ada, or an id")


def _mongo(parser: argparse.ArgumentParser, otherwise: str = "") -> None:
    default = os.environ.get(_VARIABLE) or None
    about = f"the database, such as mongodb://host/name (default: ${_VARIABLE}{otherwise and ', else ' + otherwise})"
    needed = default is None and not otherwise
    parser.add_argument("--mongo", metavar="URI", default=default, required=needed, type=_given, help=about)


def _given(value: str) -> str:
    if not value:
        raise argparse.ArgumentTypeError("must not be empty")
    return value


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON document")


_COMMANDS: Final = (
    _Command(
        "demo",
        "tektree._cli.demo",
        "five weeks in the life of a small community",
        "Plays five weeks of a small community, and tells what happened and why: awards, the day's cap, levels, "
        "streaks saved and lost, achievements, a reversal, boards. It is the same story every time. With --mongo its "
        "users, usr_demo_…, stay in that database; one that has them already is refused.",
        _demo,
    ),
    _Command(
        "import-activity",
        "tektree._cli.imports",
        "turn a file of past activity into the ledger it would have made",
        "Reads who did what when from a CSV file and awards each row as of its own instant, in memory or in a "
        "database, which it sets up first. The columns are actor,at,source, or actor,at,merge (1: an insight "
        "published, 0: an answer posted); at is ISO 8601 with its UTC offset. The same file gives the same ledger to "
        "the last field, however often it is imported; one that was cut off is finished by importing it again.",
        _import_activity,
    ),
    _Command(
        "import-community",
        "tektree._cli.communities",
        "turn a file of a community into users, areas, questions, answers, insights, votes",
        "Reads who made what when from a file of JSON Lines and makes it, each line as of its own instant, in memory "
        "or in a database, which it sets up first. Every line goes through the rules, and XP, levels, streaks and "
        "boards come of it. Users have no password and set one by a reset. The same file gives the same community to "
        "the last field, however often it is imported; one that was cut off is finished by importing it again.",
        _import_community,
    ),
    _Command(
        "setup",
        "tektree._cli.indexes",
        "make the indexes that a database needs",
        "Makes the indexes that are missing, and says what is still amiss. Again, or from many places at once: nothing "
        "happens.",
        _setup,
    ),
    _Command(
        "check",
        "tektree._cli.indexes",
        "say which indexes of a database are missing or different",
        "Compares the indexes with those that are needed: one line for each that is missing or different. Text indexes "
        "are only noted, searches do without them. Nothing is written.",
        _check,
    ),
    _Command(
        "verify",
        "tektree._cli.recounts",
        "recount the ledgers",
        "Recounts every user's ledger, row by row, and compares it with what rows and profile say. The first that do "
        "not add up are printed. Nothing is written.",
        _verify,
    ),
    _Command(
        "recount",
        "tektree._cli.content_recounts",
        "recount what is counted on content",
        "Counts again what is counted on areas, questions and answers, and looks whether breadcrumbs, slugs and "
        "accepted answers are what they should be. The first fields that are wrong are printed. Nothing is written "
        "without --mend, which sets right what it finds while everything goes on.",
        _recount,
    ),
    _Command(
        "rebuild",
        "tektree._cli.rebuilds",
        "write profiles and boards anew from the ledger",
        "Writes all profiles and the board of all time anew from the ledger, while awards go on; with --user, only "
        "that user's profile.",
        _rebuild,
    ),
    _Command(
        "relay",
        "tektree._cli.relays",
        "finish what processes left, try again what failed, and bring events to sinks",
        "Brings events to the log that a process left on the documents they came with, calls the handlers that may not "
        "have been called, tries what failed again, and brings events to sinks. It runs until it is interrupted or "
        "terminated, finishes what it has begun, and writes a line of figures from time to time; with --once it makes "
        "one run. Several may run side by side. Ends with 1 when something was given up.",
        _relay,
    ),
    _Command(
        "doctor",
        "tektree._cli.doctor",
        "say what is amiss with a Redis server, and what breaks by it",
        "Asks a Redis server for its version, eviction policy, memory, persistence, clock and keys, and says of each "
        "that is amiss what breaks by it and how to mend it. Ends with 1 when something breaks, with 4 when something "
        "may. Nothing is written.",
        _doctor,
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that ``argv`` names (that of the process if None), and gives back its exit code."""
    try:
        code = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _let_go(sys.stdout)
        return CLOSED
    except OSError as error:
        _complain(f"the output cannot be written: {error.strerror or error}")
        _let_go(sys.stdout)
        return FAILED
    except TekTreeError as error:
        _complain(error.message)
        return FAILED if isinstance(error, BackendError) else USAGE
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as done:  # argparse has said what it had to say
        return done.code if isinstance(done.code, int) else OK
    run: Callable[[argparse.Namespace], int] = import_module(arguments.room).run
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tektree",
        description="The data layer of a learning community: XP with a daily cap, levels, streaks and boards.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tektree {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in _COMMANDS:
        its = commands.add_parser(
            command.name,
            help=command.help,
            description=command.about,
            epilog=_EXIT_CODES,
            formatter_class=_Wrapped,
            allow_abbrev=False,
        )
        its.set_defaults(room=command.room)
        command.arguments(its)
    return parser


class _Wrapped(argparse.RawDescriptionHelpFormatter):
    """Fills the description, and leaves the list of exit codes as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text == _EXIT_CODES:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def _complain(message: str) -> None:
    """One line on stderr, whatever is in it, but for URIs: who puts one in the wrong place finds no password there."""
    line = "".join([char if char.isprintable() else ascii(char)[1:-1] for char in message])
    line = _SECRET.sub(lambda found: f"{found[1] or ''}…", line)
    with suppress(OSError, ValueError):
        print(f"tektree: {line}", file=sys.stderr, flush=True)


def _let_go(stream: TextIO | None) -> None:
    """Sends what is still in the buffer to nowhere, or the interpreter would complain about it when it ends."""
    with suppress(AttributeError, OSError, ValueError):
        assert stream is not None
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
