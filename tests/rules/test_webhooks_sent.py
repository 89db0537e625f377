"""How webhooks are sent: what is in them, who signed, and to which addresses they go."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tektree.errors import ConfigurationError
from tektree.models.webhooks import Endpoint
from tektree.rules import webhooks
from tektree.testing.events import events

NOW = datetime(2025, 12, 16, 14, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def endpoint(**changes: Any) -> Endpoint:
    fields: dict[str, Any] = {"name": "acme", "url": "https://example.com/hook", "secret": SECRET, "events": ("xp.*",)}
    return Endpoint(**{**fields, **changes})


@given(events())
def test_what_is_sent_is_json_and_verifies(event: Any) -> None:
    body, key = webhooks.body_of(event), webhooks.key_of(SECRET)
    headers = webhooks.headers_of(event.event_id, body, [key], NOW)
    found = webhooks.verified(headers, body, [key], NOW + timedelta(seconds=webhooks.TOLERANCE))
    assert found == (event.event_id, NOW, body)
    said = json.loads(body)
    assert (said["type"], said["version"]) == (event.event_type, event.event_version)
    assert said["data"] == json.loads(json.dumps(event.payload))


def test_while_a_secret_takes_the_others_place_both_verify() -> None:
    old, new = webhooks.key_of(SECRET), webhooks.key_of("whsec_" + "QUJDREVGR0g=")
    headers = webhooks.headers_of("evt_1", b"{}", [old, new], NOW)
    assert headers["webhook-signature"].count("v1,") == 2
    assert webhooks.verified(headers, b"{}", [new], NOW) == webhooks.verified(headers, b"{}", [old], NOW)


PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1", "100.64.0.1", "224.0.0.1"),
    *("255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1", "192.88.99.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::10.0.0.1"),
    *("64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::1", "3fff::1"),
    *("", "localhost", "example.com", "127.1", "0x7f.0.0.1", "2130706433", "1.2.3.4.5"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_these_are_public(address: str) -> None:
    assert webhooks.is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_these_are_not(address: str) -> None:
    assert not webhooks.is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_of_ipv4_within_one_of_ipv6_is_judged_as_itself(address: Any) -> None:
    if not webhooks.is_public(str(address)):
        number = int(address)
        assert not webhooks.is_public(f"::ffff:{address}")
        assert not webhooks.is_public(f"64:ff9b::{address}")
        assert not webhooks.is_public(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    assert webhooks.is_public(text) in {True, False}


@pytest.mark.parametrize(
    ("url", "private", "place"),
    [
        ("https://example.com/hook", False, ("example.com", 443)),
        ("https://example.com:8443/hook?a=b", False, ("example.com", 8443)),
        ("https://[2606:2800::1]/hook", False, ("2606:2800::1", 443)),
        ("https://[2606:2800::1]:8443/", False, ("2606:2800::1", 8443)),
        ("http://localhost/hook", True, ("localhost", 80)),
    ],
)
def test_where_an_endpoint_is(url: str, private: bool, place: tuple[str, int]) -> None:
    assert webhooks.place_of(endpoint(url=url), private) == place


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.com/hook"},
        {"url": "ftp://example.com"},
        {"url": "https://user:secret@example.com/"},
        {"url": "https://user@example.com/"},
        {"url": "https://example.com/#part"},
        {"url": "https://exa mple.com/"},
        {"url": "https://example.com:99999/"},
        {"url": "https://[::1/"},
        {"url": "https:///hook"},
        {"url": "https://ex%61mple.com/"},
        {"url": ""},
        {"url": 7},
        {"name": "a b"},
        {"name": ""},
        {"name": 7},
        {"events": ()},
        {"events": "xp.awarded"},
        {"attempts": 0},
        {"attempts": 101},
        {"timeout": 0},
        {"timeout": 301},
        {"age": timedelta()},
    ],
    ids=str,
)
def test_an_endpoint_that_is_none_is_refused_without_its_secrets(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        webhooks.place_of(endpoint(**changes), False)
    assert "secret" not in str(refused.value)
    assert SECRET not in repr(endpoint())
