"""Writes docs/reference/roles.md from `tektree.rules.roles.TABLE`; ``--check`` says whether it is true."""

from typing import Final

from pages import keep

from tektree.rules.roles import CO_AUTHORS, TABLE

_HEAD: Final = """# Roles

Who may do what, and to whose things. Written by `python tools/roles.py` from `tektree.rules.roles.TABLE`; a test keeps
it true.

What no row grants is refused. A thing whose owner is not known is nobody's: no verb reaches it. Accepting an answer is
asked of the owner of the question; an invitation and a request are the addressee's own, a connection is its two users',
and what is made new is the maker's; `insight.share` is visibility and attached files. Roles rise from user to moderator
to admin, and *lower* is strictly lower: a moderator reaches neither another moderator nor an admin.

Nobody changes their own role, and no admin disables or erases their own account, so an admin is always left: an admin
who wants to go is made a user first, by another admin. The first admin is made by the host, who acts as a `Principal`
of that role.

Who may not see a thing hears that it does not exist, before roles are asked.

| verb | user | moderator | admin |
|---|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    rows = [f"| `{verb}` | {' | '.join([str(reach) for reach in row.values()])} |\n" for verb, row in TABLE.items()]
    shared = ", ".join([f"`{verb}`" for verb in sorted(CO_AUTHORS)])
    return _HEAD + "".join(rows) + f"\nA co-author who has consented may also do, as if it were their own: {shared}.\n"


if __name__ == "__main__":
    raise SystemExit(keep("roles.md", page()))
