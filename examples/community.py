"""A community as a file, of a seed: who made what when.

python examples/community.py 1000 10000 > community.jsonl; tektree import-community community.jsonl
"""

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "America/Santiago", "Pacific/Auckland"]
KINDS = {"area": 1, "question": 22, "answer": 36, "insight": 5, "vote": 22, "like": 5, "accept": 5}
KINDS |= {"follow": 4, "connection": 4}
Thing = dict[str, Any]


def community(users: int, contributions: int, seed: int = 1) -> Iterator[Thing]:
    """Its lines, spread over two hundred days: who there is, and what they make."""
    chance = random.Random(seed)  # noqa: S311 - the same community each time
    things = [*members(users, chance), *contributed(users, contributions, chance)]
    for number, thing in enumerate(things):
        at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=200) * number / len(things)
        yield {"at": at.isoformat(timespec="milliseconds"), **thing}


def members(users: int, chance: random.Random) -> Iterator[Thing]:
    """They live in several time zones."""
    for who in [f"u{number}" for number in range(users)]:
        email, zone = f"{who}@example.com", chance.choice(ZONES)
        yield {"kind": "user", "key": who, "email": email, "handle": f"member_{who}", "timezone": zone}


def contributed(users: int, contributions: int, chance: random.Random) -> Iterator[Thing]:
    """A few of them make most of it: the n-th has a share like 1/n. What is said of two things is said once."""
    share = [1 / (number + 1) ** 0.9 for number in range(users)]
    made: dict[str, list[Thing]] = {"area": [], "question": [], "answer": [], "insight": []}
    asker: dict[str, str] = {}
    said: set[str] = set()
    while sum(map(len, made.values())) + len(said) < contributions:
        by, [kind] = f"u{chance.choices(range(users), share)[0]}", chance.choices(list(KINDS), list(KINDS.values()))
        kind = next((each for each, most in zip(made, (3, 1, 1, 1), strict=True) if len(made[each]) < most), kind)
        area, question, answer, insight = [chance.choice(each[-50:]) if each else {} for each in made.values()]
        thing: Thing = {"area": area.get("key")}
        if kind == "area":
            thing = {"title": f"Subject {len(made[kind])}"}
            if area and chance.random() < 0.6:
                thing["parent"] = area["key"]
        elif kind == "question":
            thing = {"title": f"How does {len(made[kind])} go?", "body": "It does not.", "areas": [area["key"]]}
        elif kind == "answer":
            thing = {"question": question["key"], "body": "Like so."}
        elif kind == "insight":
            thing = {"title": f"On {len(made[kind])}", "body": "A long story.", "areas": [area["key"]]}
        elif kind == "like":
            thing = {"insight": insight["key"]}
        elif kind == "vote":
            thing = {"answer": answer["key"], "value": chance.choice([1, 1, 1, -1])}
        elif kind == "accept":
            by, thing = asker[answer["question"]], {"answer": answer["key"]}
        elif kind == "connection":
            thing = {"with": f"u{(int(by[1:]) + chance.choice([1, 1, users - 1, users - 1, users // 2])) % users}"}
        own = {"vote": answer, "like": insight}.get(kind, {}).get("by") == by
        new, name = {"kind": kind, "by": by, **thing}, f"{kind} {by} {next(iter(thing.values()))}"
        if kind in made:
            new["key"] = f"{kind}{len(made[kind])}"
            made[kind].append(new)
            asker[new["key"]] = by
        elif own or name in said:
            continue
        else:
            said.add(name)
        yield new


if __name__ == "__main__":
    for each in community(*[int(number) for number in sys.argv[1:]] or [30, 200]):
        print(json.dumps(each))
