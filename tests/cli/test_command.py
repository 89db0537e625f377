"""The command as such: help, version, exit codes, one line for a mistake, no traceback whatever happens to it."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import tektree
from tektree import cli
from tektree.errors import Unavailable
from tests.cli.conftest import Run
from tests.lanes import enter
from tests.servers import free_port

DATA = Path(__file__).resolve().parent.parent / "data"
FULL = DATA / "activity.csv"
COMMAND = [sys.executable, "-W", "error", "-m", "tektree"]


def started(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    enter("memory")
    return subprocess.run([*COMMAND, *arguments], check=False, timeout=60, **options)  # type: ignore[call-overload]


def test_the_version(run: Run) -> None:
    assert run("--version") == (0, f"tektree {tektree.__version__}\n", "")


COMMANDS = (
    *("demo", "import-activity", "import-community", "setup", "check"),
    *("verify", "recount", "rebuild", "relay", "doctor"),
)
NEEDING = ("setup", "check", "verify", "recount", "rebuild", "relay --once")
"""Those that make no sense in memory."""


@pytest.mark.parametrize("command", [(), *[(name,) for name in COMMANDS]])
def test_help_names_what_there_is_and_every_exit_code(run: Run, command: tuple[str, ...]) -> None:
    code, out, err = run(*command, "--help")
    assert (code, err) == (0, "")
    codes = re.findall(r"^  (\d+) ", out.partition("exit codes:")[2], re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "130", "141"]
    if not command:
        assert set(COMMANDS) <= set(re.findall(r"^    (\S+)", out, re.MULTILINE))
    else:
        assert "--json" in out
        assert ("--redis" if command == ("doctor",) else "--mongo") in out


def test_the_reference_page_has_every_command_option_and_exit_code(run: Run) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE) == list(COMMANDS)
    for name in COMMANDS:
        synopsis = re.search(rf"^`tektree {name} ?(.*)`$", page, re.MULTILINE)
        assert synopsis
        options = set(
            re.findall(r"--[a-z-]+", run(name, "--help")[1].partition("options:")[2].partition("exit codes")[0])
        )
        assert options - set(re.findall(r"--[a-z-]+", synopsis[1])) <= {"--help", "--verify"}
        assert set(re.findall(r"--[a-z-]+", synopsis[1])) <= options
    codes = re.findall(r"^  (\d+) +(.+)$", cli._EXIT_CODES, re.MULTILINE)
    assert re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE) == codes


def test_every_command_has_its_room() -> None:
    for command in cli._COMMANDS:
        assert callable(import_module(command.room).run)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("import",),
        ("demo", "more"),
        ("import-activity",),
        ("import-activity", "a.csv", "b.csv"),
        ("import-activity", "a.csv", "--nonsense"),
        ("import-activity", "a.csv", "--zone"),
        ("import-activity", "a.csv", "--mongo", ""),
        *[(name,) for name in NEEDING],
        *[(name, "--mongo", "") for name in NEEDING],
        *[(name, "--mongo", "mongodb://host/name", "more") for name in NEEDING],
    ],
)
def test_a_mistake_in_the_arguments_is_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"tektree: .+; see tektree .*--help\n", err)


def test_storage_at_fault_has_a_code_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: object) -> int:
        raise Unavailable("mongo")

    monkeypatch.setattr("tektree._cli.demo.run", fail)
    code, out, err = run("demo")
    assert (code, out) == (3, "")
    assert err == "tektree: mongo could not be reached in time; nothing was done, try again later\n"


@pytest.mark.parametrize("command", NEEDING)
def test_a_server_that_does_not_answer_is_one_line(run: Run, command: str) -> None:
    pytest.importorskip("pymongo")
    code, out, err = run(
        *command.split(), "--mongo", f"mongodb://ada:s3cret@127.0.0.1:{free_port()}/name?timeoutMS=200"
    )
    assert (code, out) == (3, "")
    assert err == "tektree: MongoDB could not be reached in time; nothing was done, try again later\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("setup", "mongodb://ada:s3cret@host/name"),
        ("mongodb://ada:s3cret@host/name",),
        ("setup", "mongodb://ada:a b@s3cret@host/name"),
        ("setup", "MongoDB+SRV://ada:s3cret@host/name"),
        ("setup", "ada:s3cret@host/name"),
        ("setup", "--uri=mongodb://ada:s3cret@host/name"),
        ("setup", "--mongo", "mongodb://ada:s3cret@host"),
        ("setup", "--mongo", "ada:s3cret@host/name"),
        ("setup", "--mongo", "mongodb://ada:s3cret@host:port/name"),
        ("setup", "--mongo", "mongodb://ada:s3c@ret@host/name"),
        ("verify", "--mongo", "mongodb://ada:s3cret@host/name", "--user", "nobody"),
        ("verify", "--mongo", "mongodb://host/name", "--user", "mongodb://ada:s3cret@host/name"),
        ("rebuild", "--mongo", "mongodb://ada:s3cret@host/name", "--week", "2025-W99"),
        ("rebuild", "--mongo", "mongodb://ada:s3cret@host/name", "--week", "2025-W50", "--user", "usr_ada"),
        ("import-activity", "mongodb://ada:s3cret@host/name"),
        ("import-activity", "absent.csv", "--mongo", "mongodb://ada:s3cret@host/name", "--zone", "Mars/Olympus"),
        ("import-activity", "absent.csv", "--mongo", "mongodb://ada:s3cret@host/name"),
    ],
)
def test_no_password_is_repeated_wherever_a_uri_was_put(run: Run, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("pymongo")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("tektree: ")
    assert err.count("\n") == 1
    assert not re.search("s3c|ret@", err)


@pytest.mark.parametrize("option", ["foo=s3cret", "timeoutMS=s3cret", "maxPoolSize=-1", "authMechanism=s3cret"])
def test_an_option_that_the_driver_passes_over_is_one_line(run: Run, option: str) -> None:
    pytest.importorskip("pymongo")
    code, out, err = run("check", "--mongo", f"mongodb://ada@127.0.0.1:1/name?{option}")
    assert (code, out) == (2, "")
    assert re.fullmatch("tektree: --mongo: has an option that .*; mend it or leave it out\n", err)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_does_not_show_the_database_of_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("TEKTREE_MONGO", "mongodb://ada:s3cret@host/name")
    code, out, err = run(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert "s3cret" not in out


def test_a_password_with_a_percent_sign_does_not_break_help(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEKTREE_MONGO", "mongodb://ada:%40%s%(x)s@host/name")
    assert run("setup", "--help")[0] == 0


def test_an_interrupt_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tektree._cli.demo.run", interrupt)
    assert run("demo") == (130, "", "tektree: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_an_interrupted_import_is_no_traceback(tmp_path: Path) -> None:
    enter("memory")
    fifo = tmp_path / "slow.csv"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [*COMMAND, "import-activity", str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    with open(fifo, "w", encoding="utf-8") as writer:  # opens when the reader has it open, so it is past its start
        writer.write("actor,at,merge\nada,2026-01-05T09:00:00Z,0\n")
        writer.flush()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "tektree: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise on Windows")
@pytest.mark.parametrize("arguments", [("demo",), ("import-activity", str(DATA / "activity-1000.csv")), ("--help",)])
def test_a_reader_that_goes_away_is_no_traceback(arguments: tuple[str, ...]) -> None:
    enter("memory")
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = started(*arguments, stdout=pipe, stderr=subprocess.PIPE)
    # Python's argparse keeps to itself that help could not be written, when the stream has no buffer.
    assert done.returncode in ({0, 141} if arguments == ("--help",) else {141})
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = started("demo", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert re.fullmatch(rb"tektree: the output cannot be written: .+\n", done.stderr)


@pytest.mark.skipif(os.name == "nt", reason="a shell's way to close a stream")
def test_without_a_stdout_it_still_ends_well() -> None:
    enter("memory")
    command = " ".join([*COMMAND, "demo", ">&-"])
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_module_is_the_command() -> None:
    done = started("--version", capture_output=True)
    assert (done.returncode, done.stdout.decode().strip()) == (0, f"tektree {tektree.__version__}")


def test_help_loads_neither_pydantic_nor_rich() -> None:
    code = "import sys, tektree.cli as c; c.main(['--help']); print(*{'pydantic', 'rich'} & set(sys.modules), 'end')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines()[-1] == "end"
