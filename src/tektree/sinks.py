"""Beyond this process: where a relay brings events, and who reads them there. Both flavours of each name.

A sink of one's own is an object with a ``name`` and a ``publish``, as `AsyncSink` and `Sink` say; `AsyncStreams` and
the others are what consumers need from storage.
"""

from tektree._async.ports.streams import (
    AsyncEffects,
    AsyncLeases,
    AsyncNews,
    AsyncOutlet,
    AsyncOutlets,
    AsyncSink,
    AsyncStreams,
)
from tektree._async.services.consumers import AsyncConsumer, AsyncProjection
from tektree._async.services.webhooks import AsyncWebhooks
from tektree._sync.ports.streams import Effects, Leases, News, Outlet, Outlets, Sink, Streams
from tektree._sync.services.consumers import Consumer, Projection
from tektree._sync.services.webhooks import Webhooks
from tektree.models.events import Change, Consumed, Effect, Entry, Lease, Pending, Timing
from tektree.models.webhooks import Endpoint, Request

__all__ = [
    "AsyncConsumer",
    "AsyncEffects",
    "AsyncLeases",
    "AsyncNews",
    "AsyncOutlet",
    "AsyncOutlets",
    "AsyncProjection",
    "AsyncSink",
    "AsyncStreams",
    "AsyncWebhooks",
    "Change",
    "Consumed",
    "Consumer",
    "Effect",
    "Effects",
    "Endpoint",
    "Entry",
    "Lease",
    "Leases",
    "News",
    "Outlet",
    "Outlets",
    "Pending",
    "Projection",
    "Request",
    "Sink",
    "Streams",
    "Timing",
    "Webhooks",
]
