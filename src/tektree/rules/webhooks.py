"""Webhooks: whether one comes from whom it says, by the signature of Standard Webhooks.

The law: the signature is over the id, the time and the body as they came, to the byte. What is older or newer than the
tolerance is refused, so a message that was overheard is of no use later. Whatever is wrong, the answer is the same.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tektree.errors import ConfigurationError, Forbidden

__all__ = ["TOLERANCE", "Webhook", "key_of", "signature", "verified"]

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
    """The message, if one of the keys signed it a short while ago. Raises `Forbidden`."""
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
