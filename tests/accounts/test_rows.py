"""The rows of the security checklist that accounts answer for: each is named by a test of accounts."""

import ast
import re
from pathlib import Path

ROWS = {
    *(f"A{row}" for row in range(1, 21)),
    *(f"B{row}" for row in range(1, 21)),
    *(f"D{row}" for row in range(1, 21)),
    *(f"E{row}" for row in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 18)),
    *(f"K{row}" for row in (1, 2, 3, 4, 5, 6, 10, 11, 12)),
}
"""Without those of questions, answers and insights (E12 to E17), of JSON that is read (E5, K8, K9), and of what drivers
log of their commands (K7), which is the host's to decide.
"""


def test_every_row_is_named_by_a_test() -> None:
    named: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named |= set(re.findall(r"\b[A-K]\d{1,2}\b", ast.get_docstring(node) or ""))
    assert sorted(ROWS - named) == []
