"""What drivers log of our commands: that there was one and how it went, never its documents.

At the level ``DEBUG`` PyMongo logs every command with its documents, and what it found: addresses, hashes of passwords,
digests of tokens. Which commands are ours is said by `ours`, around them; a filter on the driver's logger leaves the
documents out of these alone. Whatever else a host does with the same client is logged as before.
"""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar, Token
from datetime import timedelta
from types import TracebackType
from typing import Any, Final

__all__ = ["ours", "watch"]

_OURS: Final[ContextVar[bool]] = ContextVar("tektree_ours", default=False)
_TOLD: Final = (
    "message",
    "clientId",
    "commandName",
    "databaseName",
    "requestId",
    "operationId",
    "driverConnectionId",
    "serverConnectionId",
    "serverHost",
    "serverPort",
    "durationMS",
)
"""What may be logged of a command. What a newer driver adds is left out until it stands here."""


class ours:  # noqa: N801 - used as a function
    """Around commands of ours, in the thread or task that sends them."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token: Token[bool] = _OURS.set(True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _OURS.reset(self._token)


def watch(logger: str) -> None:
    """From here on, documents of our commands are left out of what this logger says. Again: nothing happens."""
    logging.getLogger(logger).addFilter(_without_documents)


def _without_documents(record: logging.LogRecord) -> bool:
    if _OURS.get():
        fields: Any = getattr(record.msg, "_kwargs", None)
        known: Mapping[str, Any] = fields if isinstance(fields, Mapping) else {"message": "a command of tektree"}
        told = {name: known[name] for name in _TOLD if known.get(name) is not None}
        record.msg, record.args = json.dumps(told, default=_plain), ()
    return True


def _plain(value: object) -> object:
    return value.total_seconds() * 1_000 if isinstance(value, timedelta) else str(value)
