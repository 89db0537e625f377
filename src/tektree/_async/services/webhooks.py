"""Webhooks: events go to endpoints of others by HTTP, signed, each endpoint at its own pace.

Of a stream an endpoint gets one event after the other; what it does not take is tried again, and given up when it is
too old. Nothing personal is sent. A name is looked up for each request, all addresses it leads to are checked, and the
sender is told to connect to these and no other, so that a name that leads elsewhere a moment later leads nowhere.
"""

import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from tektree._async.services.handlers import AsyncHandlers
from tektree._flavour import async_call, async_handler, async_offload
from tektree.clock import Clock, read
from tektree.errors import ConfigurationError, GivenUp, Undelivered
from tektree.models.events import Event
from tektree.models.webhooks import Endpoint, Request
from tektree.rules import reactions, webhooks

__all__ = ["AsyncWebhook", "AsyncWebhooks", "Resolve", "Send"]

Send = Callable[[Request], int | Awaitable[int]]
"""Sends a request, and gives back the status of the answer. What it raises is a failure."""

Resolve = Callable[[str, int], Sequence[str] | Awaitable[Sequence[str]]]
"""The addresses of a host, given with a port."""

_GONE = 410


class AsyncWebhooks:
    """Endpoints as a sink. `Policy.events.sinks` names it, ``"webhooks"`` by default."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        send: Send,
        handlers: AsyncHandlers,
        clock: Clock,
        resolve: Resolve | None,
        private: bool,
        name: str,
        longest: float,
    ) -> None:
        self.name = name
        async_handler(send)
        if resolve is not None:
            async_handler(resolve)
        names = [each.name for each in endpoints]
        if len(set(names)) < len(names):
            raise ConfigurationError("endpoints", "must have different names")
        for each in endpoints:
            if each.timeout >= longest:
                raise ConfigurationError(each.name, "must have a timeout below events.lease; raise that or lower this")
        self.outlets = tuple(
            [AsyncWebhook(name, each, send, handlers, clock, resolve or _looked_up, private) for each in endpoints]
        )
        """The endpoints."""


class AsyncWebhook:
    """One endpoint."""

    def __init__(
        self,
        sink: str,
        endpoint: Endpoint,
        send: Send,
        handlers: AsyncHandlers,
        clock: Clock,
        resolve: Resolve,
        private: bool,
    ) -> None:
        self._place = webhooks.place_of(endpoint, private)
        secrets = (endpoint.secret,) if isinstance(endpoint.secret, str) else tuple(endpoint.secret)
        self._keys = [webhooks.key_of(each) for each in secrets]
        if not self._keys:
            raise ConfigurationError("webhook secret", "must be there; without one nobody knows who sent it")
        for pattern in endpoint.events:
            if not any(reactions.fits(pattern, kind.event_type) for kind in handlers.catalog):
                raise ConfigurationError(endpoint.name, f"names the events {pattern!r}, of which there are none")
        self.name = f"{sink}:{endpoint.name}"
        self.attempts = endpoint.attempts
        self._endpoint = endpoint
        self._send = send
        self._handlers = handlers
        self._clock = clock
        self._resolve = resolve
        self._private = private

    def wants(self, event_type: str) -> bool:
        """Whether it gets events of this type."""
        return any(reactions.fits(each, event_type) for each in self._endpoint.events)

    async def send(self, event: Event) -> None:
        """Sends an event. Raises `Undelivered`, `GivenUp`, and what the sender raised."""
        now = read(self._clock)
        if now - _recorded(event) > self._endpoint.age:
            raise GivenUp(self.name, "it is too old")
        body = webhooks.body_of(self._handlers.catalog.without_personal(event))
        addresses = await self._addresses()
        headers = webhooks.headers_of(event.event_id, body, self._keys, now)
        request = Request(self._endpoint.url, headers, body, self._endpoint.timeout, addresses)
        status = await async_call(self._send, request)
        if type(status) is not int:
            raise ConfigurationError("send", "must give back the status of the answer, a whole number")
        if status == _GONE:
            raise GivenUp(self.name, "answered 410: it is gone")
        if not 200 <= status < 300:
            raise Undelivered(self.name, f"answered {status}")

    async def _addresses(self) -> tuple[str, ...]:
        """What the name leads to now. Raises `Undelivered` unless all of it may be called."""
        try:
            found = tuple(await async_call(self._resolve, *self._place))
        except OSError:
            raise Undelivered(self.name, "its name leads nowhere") from None
        if not found:
            raise Undelivered(self.name, "its name leads nowhere")
        if not self._private and not all(webhooks.is_public(each) for each in found):
            raise Undelivered(self.name, "its name leads into a private network")
        return found


def _recorded(event: Event) -> datetime:
    """Since when it is to be sent; what is told of the past is as new as it was told."""
    at = event.metadata.get("recorded_at")
    return datetime.fromisoformat(at) if isinstance(at, str) else event.timestamp


async def _looked_up(host: str, port: int) -> Sequence[str]:
    found = await async_offload(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys([str(each[4][0]) for each in found]))
