"""Writes docs/reference/indexes.md from `tektree.wire.collections.INDEXES`; ``--check`` says whether it is true."""

from typing import Final

from pages import keep

from tektree.wire.collections import INDEXES, Index

_HEAD: Final = """# Indexes

What `setup` makes in MongoDB, collection by collection: the data model's indexes, and ours, which the queries and the
guards of the package need. Written by `python tools/indexes.py` from `tektree.wire.collections.INDEXES`; a test keeps
it true.

A partial index covers the documents that its filter matches. The filters say `$gt`, never `$exists`, so documents from
before us, which lack our fields, are in none of them and in nobody's way. The text indexes are made where the server
has such; search does without them.
"""

_TABLE: Final = "| keys | unique | covers | whose |\n|---|---|---|---|\n"


def page() -> str:
    """The page as it should be."""
    parts = [
        f"\n## `{name}`\n\n{_TABLE}" + "".join([_row(index) for index in indexes]) for name, indexes in INDEXES.items()
    ]
    return _HEAD + "".join(parts)


def _row(index: Index) -> str:
    keys = ", ".join([f"{name} {direction}" for name, direction in index.keys])
    covers = (
        "all" if index.partial is None else ", ".join([_filter(name, rule) for name, rule in index.partial.items()])
    )
    return f"| `{keys}` | {'yes' if index.unique else ''} | {covers} | {'ours' if index.ours else 'data model'} |\n"


def _filter(name: str, rule: object) -> str:
    return f"`{name}: {rule}`".replace("'", '"')


if __name__ == "__main__":
    raise SystemExit(keep("indexes.md", page()))
