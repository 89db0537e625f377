"""Webhooks: whether one comes from whom it says, by the signature of Standard Webhooks; and how ours are sent.

The law: the signature is over the id, the time and the body as they came, to the byte. What is older or newer than the
tolerance is refused, so a message that was overheard is of no use later. Whatever is wrong, the answer is the same.
What is sent goes by HTTPS to addresses of the public Internet alone, whatever name leads there.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tektree.errors import ConfigurationError, Forbidden, InvalidInput
from tektree.models.events import Event
from tektree.models.webhooks import Endpoint

__all__ = ["TOLERANCE", "Webhook", "body_of", "headers_of", "is_public", "key_of", "place_of", "signature", "verified"]

TOLERANCE: Final = 300
"""Seconds that the sender's clock and ours may differ, on the way and all."""

_LONGEST: Final = 1_000_000
_MOST_SIGNATURES: Final = 16
_ID: Final = re.compile(r"[!-~]{1,256}")
_TIME: Final = re.compile(r"[0-9]{1,12}")


class Webhook(NamedTuple):
    """A message that is what it says."""

    id: str
    at: datetime
    body: bytes


def key_of(secret: object) -> bytes:
    """The key of a secret: Base64 behind ``whsec_``, else the text itself, as Polar has it.

    Raises `ConfigurationError`, which does not repeat it.
    """
    if type(secret) is str and 8 <= len(secret) <= 1024:
        if not secret.startswith("whsec_"):
            return secret.encode("utf-8", "surrogatepass")
        try:
            key = base64.b64decode(secret[6:], validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if key:
            return key
    raise ConfigurationError("webhook secret", "must be the secret that the sender shows, such as 'whsec_…'")


def signature(key: bytes, id: str, seconds: int, body: bytes) -> str:
    """The signature of a message, as the header has it."""
    mac = hmac.new(key, f"{id}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode('ascii')}"


def verified(headers: Mapping[str, str], body: object, keys: Sequence[bytes], now: datetime) -> Webhook:
    """The message, if one of the keys signed it a short while ago. Raises `Forbidden`, `InvalidInput`."""
    if not isinstance(headers, Mapping):
        raise InvalidInput("headers", "must be those of the request, by their names")
    found = {name.lower(): value for name, value in headers.items() if type(name) is str and type(value) is str}
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    id, time = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    if isinstance(raw, bytes) and len(raw) <= _LONGEST and _ID.fullmatch(id) and _TIME.fullmatch(time):
        seconds = int(time)
        claimed = found.get("webhook-signature", "").split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
        near = abs(now.timestamp() - seconds) <= TOLERANCE
        if near and _signed([signature(key, id, seconds, raw) for key in keys], claimed):
            return Webhook(id, datetime.fromtimestamp(seconds, UTC), raw)
    raise Forbidden("a webhook whose signature is missing, wrong, or not of this moment")


def _signed(expected: Sequence[str], claimed: Sequence[str]) -> bool:
    """Whether any claim is any of those expected; each pair is compared, and in a time that tells nothing."""
    right = [
        hmac.compare_digest(each.encode(), claim.encode("utf-8", "replace")) for each in expected for claim in claimed
    ]
    return any(right)


# -- what is sent ------------------------------------------------------------------------------------------------------

_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_URL: Final = re.compile(r"[!-~]{1,2048}")
_HOST: Final = re.compile(r"[A-Za-z0-9.\-_]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses of IPv6 whose last 32 bits are the address of IPv4 that is reached."""
_NOBODYS: Final = tuple(
    [ipaddress.ip_network(each) for each in ("192.88.99.0/24", "64:ff9b:1::/48", "fec0::/10", "3fff::/20")]
)
"""Networks that nobody outside answers from, though not all versions of Python say so."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def body_of(event: Event) -> bytes:
    """What is sent of an event, which is without personal data already: type, time and data, as the standard has it."""
    said = {
        "type": event.event_type,
        "timestamp": event.timestamp.isoformat(),
        "data": event.payload,
        "version": event.event_version,
        "stream": event.metadata.get("stream"),
        "seq": event.metadata.get("seq"),
    }
    return json.dumps(said, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(event_id: str, body: bytes, keys: Sequence[bytes], now: datetime) -> dict[str, str]:
    """The headers of what is sent now, signed with each key. A repetition has the same ``webhook-id``."""
    seconds = int(now.timestamp())
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join([signature(key, event_id, seconds, body) for key in keys]),
    }


def place_of(endpoint: Endpoint, private: bool) -> tuple[str, int]:
    """Host and port of an endpoint. Raises `ConfigurationError`, which repeats neither URL nor secret.

    ``private``: also by HTTP.
    """
    where = "webhook endpoint"
    if type(endpoint.name) is not str or not _NAME.fullmatch(endpoint.name):
        raise ConfigurationError(where, "must have a name of 1 to 64 of the characters A-Z a-z 0-9 _ . -")
    if not endpoint.events or isinstance(endpoint.events, str):
        raise ConfigurationError(endpoint.name, "must name the events that it gets, such as ('xp.awarded', 'level.*')")
    if not 1 <= endpoint.attempts <= 100 or not 0 < endpoint.timeout <= 300 or endpoint.age.total_seconds() <= 0:
        raise ConfigurationError(endpoint.name, "must have 1 to 100 attempts, a timeout up to 300 s, an age above 0")
    try:
        url = urlsplit(endpoint.url if _URL.fullmatch(endpoint.url) else "")
        host, port = url.hostname or "", url.port
    except (TypeError, ValueError):
        raise ConfigurationError(endpoint.name, "must have a URL such as https://example.com/hook") from None
    secure = url.scheme == "https" or (private and url.scheme == "http")
    plain = url.username is None and url.password is None and not url.fragment
    if not secure or not plain or not _HOST.fullmatch(url.netloc.rpartition(":")[0] if port else url.netloc):
        raise ConfigurationError(endpoint.name, "must have a URL such as https://example.com/hook, without a password")
    return host, port or (443 if url.scheme == "https" else 80)


def is_public(address: str) -> bool:
    """Whether an address, of IPv4 or IPv6, is one of the public Internet. What is no address is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return all(_is_public(each) for each in _meant(found))


def _meant(address: _Address) -> Iterator[_Address]:
    """The addresses that one leads to: an address of IPv6 may stand for one of IPv4."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour


def _is_public(address: _Address) -> bool:
    nobodys = any(address in network for network in _NOBODYS if network.version == address.version)
    return address.is_global and not address.is_multicast and not address.is_reserved and not nobodys
