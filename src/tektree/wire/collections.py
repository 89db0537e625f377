"""The collections: their names, the fields that the data model gives them, and their indexes.

Names and fields are the data model's to the letter. Of the indexes some are its own and some are ours, and marked so.
A partial filter says ``$gt``, never ``$exists``: it leaves out documents without the field, and is served everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = [
    "ANSWERS",
    "AREAS",
    "CONNECTIONS",
    "DELIVERIES",
    "EFFECTS",
    "EVENTS",
    "FIELDS",
    "FOLLOWS",
    "GAMIFICATION_PROFILES",
    "INDEXES",
    "INSIGHTS",
    "Index",
    "LEASES",
    "QUESTIONS",
    "SUBSCRIPTIONS",
    "USERS",
    "VOTES",
    "XP_TRANSACTIONS",
]

USERS: Final = "users"
AREAS: Final = "areas"
QUESTIONS: Final = "questions"
ANSWERS: Final = "answers"
INSIGHTS: Final = "insights"
GAMIFICATION_PROFILES: Final = "gamification_profiles"
XP_TRANSACTIONS: Final = "xp_transactions"
SUBSCRIPTIONS: Final = "subscriptions"
EVENTS: Final = "events"
DELIVERIES: Final = "deliveries"
"""Ours: the calls of handlers that are still due, and those that were given up."""
FOLLOWS: Final = "follows"
"""Ours: who follows which area."""
VOTES: Final = "votes"
"""Ours: how users voted."""
CONNECTIONS: Final = "connections"
"""Ours: what two users are to each other."""
LEASES: Final = "leases"
"""Ours: whose turn it is to bring events to a sink."""
EFFECTS: Final = "effects"
"""Ours: how far consumers got in the streams of events, and what it came to."""

FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        collection: tuple(fields.split())
        for collection, fields in {
            USERS: "_id uid email email_verified password_hash handle first_name last_name avatar bio tier role"
            " created_at updated_at last_login_at",
            AREAS: "_id title slug parent_id details tags breadcrumbs visibility created_by created_at updated_at"
            " follower_count content_count",
            QUESTIONS: "_id title slug body tags areas visibility created_by created_at updated_at view_count"
            " upvote_count downvote_count answer_count accepted_answer_id files status",
            ANSWERS: "_id question_id body code_snippets created_by created_at updated_at upvote_count downvote_count"
            " is_accepted",
            INSIGHTS: "_id title slug body insight_type tags areas co_authors visibility created_by created_at"
            " updated_at published_at view_count like_count comment_count estimated_read_time_minutes featured",
            GAMIFICATION_PROFILES: "_id user_id total_xp current_level xp_to_next_level daily_xp_earned"
            " daily_xp_reset_at streak achievements featured_achievements leaderboard_opt_out updated_at",
            XP_TRANSACTIONS: "_id transaction_id user_id amount source related_entity_type related_entity_id"
            " daily_total daily_cap timestamp",
            SUBSCRIPTIONS: "_id user_id tier status billing_cycle polar_subscription_id current_period_start"
            " current_period_end trial_ends_at cancel_at canceled_at created_at updated_at",
            EVENTS: "_id event_id event_type event_version timestamp trace_id correlation_id source_service producer_id"
            " metadata payload",
            DELIVERIES: "_id handler line seq event_id event_type state blocks attempts due token until reason",
            FOLLOWS: "_id area_id user_id uid active at",
            VOTES: "_id target_type target_id user_id uid value at lapsed",
            CONNECTIONS: "_id users uids asked blocked status at",
            LEASES: "_id name partition token until due attempts failures",
            EFFECTS: "_id name line number state until",
        }.items()
    }
)
"""The data model's fields of each collection, in its order. All else in a document is ours, or somebody else's.

`DELIVERIES`, `FOLLOWS`, `VOTES`, `CONNECTIONS`, `LEASES` and `EFFECTS` are collections of ours, with all of their
fields.
"""


@dataclass(frozen=True, slots=True)
class Index:
    """An index: what it sorts by, whether it admits a value once only, and which documents it covers (None: all)."""

    keys: tuple[tuple[str, int | str], ...]
    unique: bool = False
    partial: Mapping[str, Mapping[str, int | str]] | None = None
    ours: bool = False

    @property
    def text(self) -> bool:
        """Whether it serves ``$text``. Not every server has such indexes."""
        return any(direction == "text" for _, direction in self.keys)


def _index(keys: str, *, unique: bool = False) -> Index:
    """An index of the data model, from ``"user_id -timestamp"`` or ``"title:text body:text"``."""
    return Index(tuple([_key(word) for word in keys.split()]), unique)


def _key(word: str) -> tuple[str, int | str]:
    if word.endswith(":text"):
        return word.removesuffix(":text"), "text"
    return word.removeprefix("-"), -1 if word.startswith("-") else 1


def _ours(keys: str, *, covers: str = "", above: int | str = "", unique: bool = False) -> Index:
    """An index of ours; with ``covers``, of the documents whose field of that name is greater than ``above``."""
    partial = {covers: {"$gt": above}} if covers else None
    return Index(tuple([_key(word) for word in keys.split()]), unique, partial, ours=True)


_OUTBOX: Final = _ours("_outbox.event_id", covers="_outbox.event_id")
"""Finds the documents whose events are not in the log yet."""

_SLUGS: Final = _ours("slugs", covers="slugs", unique=True)
"""A slug leads to one thing, also when it was given up."""

INDEXES: Final[Mapping[str, tuple[Index, ...]]] = MappingProxyType(
    {
        USERS: (
            _index("email", unique=True),
            _index("handle", unique=True),
            _index("uid", unique=True),
            _index("-created_at"),
            _ours("email_canonical", covers="email_canonical", unique=True),  # one address, one account
            _ours("handle_canonical", covers="handle_canonical", unique=True),
            _ours("handle_claims.digest", covers="handle_claims.digest", unique=True),  # also those held back
            _ours("tokens.digest", covers="tokens.digest", unique=True),  # whose token it is
            _OUTBOX,
        ),
        AREAS: (
            _index("parent_id -created_at"),
            _index("tags"),
            _index("created_by"),
            _index("slug"),
            _index("title:text details:text"),
            _SLUGS,
            _ours("parent_id -created_at -_id"),  # the children of an area, page by page
            _ours("-created_at -_id"),  # what is found by words, page by page
            _ours("created_by -created_at"),  # how many somebody made in a period
            _ours("created_by _id"),
            _OUTBOX,
        ),
        QUESTIONS: (
            _index("created_by -created_at"),
            _index("areas -created_at"),
            _index("tags"),
            _index("status -created_at"),
            _index("title:text body:text"),
            _SLUGS,
            _ours("slug"),  # of what was there before us
            _ours("-created_at -_id"),  # lists, page by page: all, or of one thing that is sought
            _ours("-upvote_count -_id"),
            _ours("areas -created_at -_id"),
            _ours("tags -created_at -_id"),
            _ours("created_by -created_at -_id"),
            _ours("created_by _id"),
            _ours("status -created_at -_id"),
            _ours("files"),  # whose a file is
            _OUTBOX,
        ),
        ANSWERS: (
            _index("question_id -created_at"),
            _index("created_by"),
            _index("is_accepted"),
            _ours("question_id -created_at -_id"),  # the answers to a question, page by page
            _ours("question_id -upvote_count -_id"),
            _ours("created_by -created_at"),  # how many somebody posted in a period
            _ours("created_by _id"),
            _OUTBOX,
        ),
        INSIGHTS: (
            _index("created_by -published_at"),
            _index("areas -published_at"),
            _index("tags"),
            _index("featured -published_at"),
            _index("title:text body:text"),
            _SLUGS,
            _ours("slug"),  # of what was there before us
            _ours("-published_at -_id"),  # lists, page by page: all, or of one thing that is sought
            _ours("-like_count -_id"),
            _ours("featured -published_at -_id"),
            _ours("areas -published_at -_id"),
            _ours("tags -published_at -_id"),
            _ours("created_by -published_at -_id"),
            _ours("co_authors -published_at -_id"),
            _ours("invitations.user_id"),  # what somebody who is erased was asked to share
            _ours("created_by _id"),
            _ours("created_by -submitted_at"),  # how many somebody published in a period
            _ours("due", covers="due", above=0),  # whose publication is to be told
            _OUTBOX,
        ),
        GAMIFICATION_PROFILES: (
            _index("user_id", unique=True),
            _index("-total_xp"),
            _index("-current_level"),
            _ours("uid", covers="uid", unique=True),
            # The board of all time, ties in order; who opted out is passed over without a look at the profile.
            _ours("-total_xp reached_at uid user_id leaderboard_opt_out", covers="total_xp", above=0),
            _OUTBOX,
        ),
        XP_TRANSACTIONS: (
            _index("user_id -timestamp"),
            _index("transaction_id", unique=True),
            _index("source"),
            _ours("user_id seq", covers="seq", above=0, unique=True),  # the commit point of an award
            _ours("user_id key", covers="key", unique=True),  # one key, one row
            _ours("user_id day seq", covers="seq", above=0),  # what was taken of a past day's cap
            _ours("user_id week seq", covers="seq", above=0),  # a user's sum of a past week
            _ours("week user_id -seq", covers="week"),  # a weekly board without Redis
            _ours("user_id reverses seq", covers="reverses"),  # the newest link of a row
            _ours("user_id restores seq", covers="restores"),
            _ours("user_id seq _outbox.event_id", covers="_outbox.event_id"),  # events not in the log yet, in order
        ),
        SUBSCRIPTIONS: (
            _index("user_id", unique=True),
            _index("status"),
            _index("polar_subscription_id"),
            _ours("due", covers="due", above=0),  # what time changes, and what was left undone
        ),
        EVENTS: (
            _index("event_id", unique=True),
            _index("event_type -timestamp"),
            _index("trace_id"),
            _index("-timestamp"),
            _index("payload.user_id -timestamp"),
            _ours("metadata.stream metadata.seq", covers="metadata.seq", above=0, unique=True),  # no gap, no twin
            _ours("correlation_id -timestamp", covers="correlation_id"),
            _ours("metadata.recorded_at", covers="metadata.recorded_at"),  # a replay
            _ours(
                "metadata.causation_id metadata.recorded_at", covers="metadata.causation_id"
            ),  # what followed from it
            _ours("_relay.until _relay.by", covers="_relay.by"),  # whose handlers may not have been called
            _ours("_sinks", covers="_sinks"),  # what a sink does not have yet
            _ours("metadata.user_id -timestamp", covers="metadata.ip_address"),  # whose address an erasure takes out
        ),
        DELIVERIES: (
            _ours("handler line seq _id"),  # who is blocked; the heads of lines
            _ours("blocks handler"),  # who is halted
            _ours("state _id"),  # the dead, page by page; how many wait
        ),
        FOLLOWS: (
            _ours("area_id active"),  # how many follow an area
            _ours("user_id _id"),  # all that somebody made, for an export
            _OUTBOX,
        ),
        VOTES: (
            _ours("target_id value"),  # how many votes a thing has
            _ours("target_id _id"),  # the votes on a thing, page by page
            _ours("user_id _id"),  # all that somebody made, for an export
            _OUTBOX,
        ),
        CONNECTIONS: (
            _ours("users status -at -_id"),  # who is connected with a user, who asks them, and whom they asked
            _ours("blocked -at -_id"),  # whom a user blocks
            _ours("users _id"),  # all of a user's, for an export
            _OUTBOX,
        ),
        LEASES: (),
        EFFECTS: (_ours("until", covers="until", above=0),),  # what is kept for a while only
    }
)
"""What each collection is indexed by: the data model's, then those that our queries and our guards need."""
