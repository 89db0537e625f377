"""The rows of the security checklist that content, sessions, limits, quotas and caches answer for: each is named by a
test. Those of accounts are looked after beside them, in ``tests/accounts``.
"""

import ast
import re
from pathlib import Path

ROWS = {
    *(f"B{row}" for row in range(10, 15)),
    *(f"C{row}" for row in range(1, 21)),
    *(f"E{row}" for row in range(1, 19)),
    *(f"F{row}" for row in range(1, 29)),
    *(f"G{row}" for row in range(1, 22)),
    *(f"I{row}" for row in range(1, 19)),
    *(f"J{row}" for row in (10, *range(19, 25), 32, 33, 34, 35)),
}


def test_every_row_is_named_by_a_test() -> None:
    named: set[str] = set()
    for path in Path(__file__).parent.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named |= set(re.findall(r"\b[A-K]\d{1,2}\b", ast.get_docstring(node) or ""))
    assert sorted(ROWS - named) == []
