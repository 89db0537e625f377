"""Webhooks that are sent: where to, and what a sender is asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

__all__ = ["Endpoint", "Request"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is told of events by an HTTP request.

    ``name`` is what its deliveries are kept under, the same in all processes. ``secret`` signs what is sent, as the
    receiver knows it: ``whsec_`` and Base64, or several of them, while one takes the other's place. ``events`` are the
    types that it gets, such as ``("xp.awarded", "level.*")``. An event that is older than ``age`` is given up, so that
    those behind it in its stream go on. ``timeout`` is how many seconds an answer may take.
    """

    name: str
    url: str
    secret: str | tuple[str, ...] = field(repr=False)
    events: tuple[str, ...]
    age: timedelta = timedelta(days=3)
    attempts: int = 100
    timeout: float = 10.0


class Request(NamedTuple):
    """What a sender is to do: POST ``body`` to ``url`` with ``headers``, and give back the status of the answer.

    It connects to one of ``addresses``, and to no other: they were looked up and checked, and another look might find
    others. It follows no redirect, and gives up after ``timeout`` seconds.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    addresses: tuple[str, ...]
