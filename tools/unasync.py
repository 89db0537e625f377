"""Writes the sync twin of the async source: ``python tools/unasync.py``. ``--check`` only says whether it is true.

The source is read as tokens, so its layout stays, and what is written is compiled before it is kept. Every rule has to
be used somewhere in the tree: a rule that nothing needs any more is a failure, and so is a file in the twin that has no
source. Only the formatter (ruff) comes from outside the standard library. Without it ``--check`` compares syntax trees,
and says so.
"""

import argparse
import ast
import importlib.util
import inspect
import io
import re
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tokenize import TokenInfo
from typing import TypeGuard

ROOT = Path(__file__).resolve().parent.parent

NAMES = {
    "_async": "_sync",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "AbstractAsyncContextManager": "AbstractContextManager",
    "StopAsyncIteration": "StopIteration",
    "aclosing": "closing",
    "anext": "next",
    "asynccontextmanager": "contextmanager",
}
"""Words that become other words, in code, comments and texts alike."""

KEYWORDS = ("async def", "async with", "async for", "await")
PREFIX = "Async*"
FLAVOUR = "_flavour.async_*"
AWAITABLE = "Awaitable[X]"
DOCTEST = "await in examples"
RULES = frozenset({*NAMES, *KEYWORDS, PREFIX, FLAVOUR, AWAITABLE, DOCTEST})

RESERVED = frozenset(
    {
        # Part of the language that any next file may use; they are here before they are needed.
        "__aenter__",
        "__aexit__",
        "__aiter__",
        "__anext__",
        "AbstractAsyncContextManager",
        "StopAsyncIteration",
        "aclosing",
        "anext",
        "asynccontextmanager",
        "async with",
        "async for",
        FLAVOUR,
        AWAITABLE,
        DOCTEST,
    }
)
"""Rules that may be unused."""

_WORD = re.compile(r"\b[A-Za-z_]\w*")
_ASYNC_CLASS = re.compile(r"Async(?=[A-Z])")
_EXAMPLE = re.compile(r"^\s*(?:>>>|\.\.\.) .*$|``[^`]+``", re.MULTILINE)
_EXAMPLE_WORD = re.compile(r"\b(?:await|async(?= (?:def|with|for)\b)) ")
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_LAYOUT = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT})
_F_START, _F_END = (getattr(tokenize, f"FSTRING_{end}", None) for end in ("START", "END"))  # tokens since 3.12


class Twin:
    """One source file on its way to being sync: its tokens, each with the gap before it."""

    def __init__(self, source: str, used: Counter[str]) -> None:
        self.used = used
        self.tokens = list(_tokens(source))
        self.gaps = list(_gaps(source, self.tokens))
        self.texts = [token.string for token in self.tokens]
        tree = ast.parse(source)
        self._docstrings = {(node.lineno, node.col_offset) for node in ast.walk(tree) if _is_text_statement(node)}
        self._pairs = set(_flavoured(tree))

    def convert(self) -> str:
        """The sync text. Raises ``SyntaxError`` when what came out does not compile."""
        statement = None
        for at, token in enumerate(self.tokens):
            if token.type == tokenize.NEWLINE:
                statement = None
            elif statement is None and token.type not in _LAYOUT:
                statement = at
            if token.type == tokenize.NAME and self.texts[at]:
                self._name(at, statement or 0)
            elif token.type == tokenize.STRING:
                self.texts[at] = self._prose(token.string, examples=token.start in self._docstrings)
            elif token.type == tokenize.COMMENT:
                self.texts[at] = self._prose(token.string, examples=True)
        text = "".join([piece for pair in zip(self.gaps, self.texts, strict=True) for piece in pair])
        compile(text, "the twin", "exec", dont_inherit=True)
        return text

    def _name(self, at: int, statement: int) -> None:
        word, following = self.tokens[at].string, self.tokens[at + 1].string
        attribute = at > 0 and self.tokens[at - 1].string == "."
        if word in {"async", "await"}:
            self.used[word if word == "await" else f"async {following}"] += 1
            self._drop(at, at)
        elif word == "Awaitable" and self.tokens[statement].string == "from":
            self._drop_import(at, statement)
        elif word == "Awaitable" and following == "[":
            self._unwrap(at)
        elif word in self._pairs and not attribute:
            self.used[FLAVOUR] += 1
            self.texts[at] = "sync_" + word.removeprefix("async_")
        elif not (word == "anext" and attribute):
            self.texts[at] = self._word(word)

    def _word(self, word: str) -> str:
        if word in NAMES:
            self.used[word] += 1
            return NAMES[word]
        if _ASYNC_CLASS.match(word):
            self.used[PREFIX] += 1
            return word.removeprefix("Async")
        return word

    def _prose(self, text: str, examples: bool) -> str:
        text = _WORD.sub(lambda match: self._word(match[0]), text)
        return _EXAMPLE.sub(lambda match: self._example(match[0]), text) if examples else text

    def _example(self, code: str) -> str:
        plain, count = _EXAMPLE_WORD.subn("", code)
        if count:
            self.used[DOCTEST] += count
        return plain

    def _unwrap(self, at: int) -> None:
        """``Awaitable[X]`` is ``X``, and ``X | Awaitable[X]`` is ``X`` once."""
        self.used[AWAITABLE] += 1
        last = self._closing(at + 1)
        self.texts[last] = ""
        inner = [token.string for token in self.tokens[at + 2 : last]]
        first = at - len(inner) - 1
        before = [token.string for token in self.tokens[max(first, 0) : at]]
        again = before == [*inner, "|"] and self.tokens[first - 1].string not in {".", "|"}
        self._drop(first if again else at, at + 1)

    def _closing(self, at: int) -> int:
        depth = 0
        while True:
            depth += (self.tokens[at].string in _OPEN) - (self.tokens[at].string in _CLOSE)
            if depth == 0:
                return at
            at += 1

    def _drop_import(self, at: int, statement: int) -> None:
        """Takes ``Awaitable`` out of an import: with a comma, or with the whole statement when it stands alone."""
        self.used[AWAITABLE] += 1
        end = statement
        while self.tokens[end].type != tokenize.NEWLINE:
            end += 1
        words = [token.string for token in self.tokens[statement:end] if token.type == tokenize.NAME]
        if words[words.index("import") :] == ["import", "Awaitable"]:
            self._drop(statement, end - 1)
        elif self.tokens[at + 1].string == ",":
            self._drop(at, at + 1)
        else:
            self.texts[at - 1] = self.gaps[at] = self.texts[at] = ""

    def _drop(self, first: int, last: int) -> None:
        """Takes tokens out, and the gaps after them."""
        for at in range(first, last + 1):
            self.texts[at] = self.gaps[at + 1] = ""


def _tokens(source: str) -> Iterator[TokenInfo]:
    """The tokens of ``source``, an f-string as one of them, as up to 3.11: so the twin is the same from any Python."""
    depth, start = 0, (0, 0)
    lines = _lines(source)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == _F_START:
            start = start if depth else token.start
            depth += 1
        elif token.type == _F_END:
            depth -= 1
            if not depth:
                yield TokenInfo(tokenize.STRING, _between(lines, start, token.end), start, token.end, token.line)
        elif not depth:
            yield token


def _gaps(source: str, tokens: Sequence[TokenInfo]) -> Iterator[str]:
    lines, end = _lines(source), (1, 0)
    for token in tokens:
        yield _between(lines, end, token.start)
        end = token.end


def _lines(source: str) -> list[str]:
    return io.StringIO(source).readlines()  # str.splitlines also splits at form feeds and U+2028, inside texts


def _between(lines: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    rows = [*lines[start[0] - 1 : end[0] - 1], lines[end[0] - 1][: end[1]] if end[0] <= len(lines) else ""]
    return "".join(rows)[start[1] :]


def _is_text_statement(node: ast.AST) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _flavoured(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "tektree._flavour":
            yield from [alias.name for alias in node.names if alias.name.startswith("async_")]


def generated(source: Path) -> tuple[dict[str, str], Counter[str]]:
    """The unformatted twin of every file under ``source`` by its relative path, and how often each rule was used."""
    used: Counter[str] = Counter()
    twins = {}
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source).as_posix()
        header = f"# Generated by tools/unasync.py from {source.name}/{name}; edit that file instead.\n"
        try:
            twins[name] = header + Twin(path.read_text(encoding="utf-8"), used).convert()
        except (SyntaxError, tokenize.TokenError) as error:
            raise SystemExit(f"{path}: cannot be made sync: {error}") from None
    return twins, used


def formatter() -> list[str] | None:
    """How to call ruff; None when it is not installed."""
    if importlib.util.find_spec("ruff"):
        return [sys.executable, "-m", "ruff"]
    found = shutil.which("ruff")
    return [found] if found else None


def formatted(twins: dict[str, str], ruff: list[str]) -> dict[str, str]:
    """``twins`` with their imports sorted and their layout as the project has it."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in twins.items():
            path = Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        shared = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "--quiet", directory]
        for step in (["check", "--select", "I", "--fix"], ["format"]):
            subprocess.run([*ruff, *step, *shared], check=True)
        return {name: Path(directory, name).read_text(encoding="utf-8") for name in twins}


def meaning(text: str) -> str:
    """The syntax tree of ``text`` without what the formatter decides: order of imports, layout of docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            node.names = [
                ast.alias(*pair) for pair in sorted({(alias.name, alias.asname or "") for alias in node.names})
            ]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = "\n".join([line.rstrip() for line in inspect.cleandoc(node.value.value).splitlines()])
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = sorted(body, key=_import_order)  # type: ignore[attr-defined]
    return ast.dump(tree)


def _import_order(node: ast.AST) -> str:
    return ast.dump(node) if isinstance(node, ast.Import | ast.ImportFrom) else "~"


def faults(source: Path, target: Path, ruff: list[str] | None) -> list[str]:
    """What is wrong with the twin under ``target``, one line each; empty when all is well."""
    twins, used = generated(source)
    expected = formatted(twins, ruff) if ruff else twins
    found = {name: path.read_text(encoding="utf-8") for name, path in _files(target)}
    view = str if ruff else meaning
    stale = [name for name in expected.keys() & found.keys() if view(expected[name]) != view(found[name])]
    return [
        *[f"stale: {target / name}" for name in sorted(stale)],
        *[f"missing: {target / name}" for name in sorted(expected.keys() - found.keys())],
        *[f"stray: {target / name}" for name in sorted(found.keys() - expected.keys())],
        *[f"unused rule: {rule}" for rule in sorted(RULES - RESERVED - used.keys())],
    ]


def _files(target: Path) -> Iterator[tuple[str, Path]]:
    for path in target.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(target).as_posix(), path


def write(source: Path, target: Path, ruff: list[str]) -> None:
    """Makes ``target`` the twin of ``source``. Removes a stray file that was generated once, and leaves any other."""
    expected = formatted(generated(source)[0], ruff)
    for name, path in list(_files(target)):
        if name not in expected and path.read_bytes().startswith(b"# Generated by tools/unasync.py"):
            path.unlink()
    for name, text in expected.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0: the twin is true. 1: it is not. 2: the formatter is missing, so nothing was written."""
    parser = argparse.ArgumentParser(
        prog="unasync.py", description="Write the sync twin of the async source, or check it."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the twin is not true")
    parser.add_argument("--source", type=Path, default=ROOT / "src" / "tektree" / "_async")
    parser.add_argument("--target", type=Path, default=ROOT / "src" / "tektree" / "_sync")
    options = parser.parse_args(arguments)
    ruff = formatter()
    if ruff is None:
        print(
            "note: ruff is not installed"
            + (": comparing syntax trees, not layout" if options.check else "; nothing written")
        )
        if not options.check:
            return 2
    elif not options.check:
        write(options.source, options.target, ruff)
    found = faults(options.source, options.target, ruff)
    print("\n".join(found) or "the twins are true")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
