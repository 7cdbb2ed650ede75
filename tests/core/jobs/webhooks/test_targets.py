"""Allowed and refused webhook addresses, in many notations."""

import pytest
from pydantic import HttpUrl

from core.errors import SpecError
from core.jobs.webhooks.targets import check_url, is_public

PUBLIC = ["8.8.8.8", "93.184.216.34", "192.88.98.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "64:ff9b::c000:8",
    "64:ff9b::c058:6301",
    "::ffff:192.88.99.1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2001:4:112::1",
    "2001:20::1",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    "100::1",
    "fec0::1",
    "2001:0:5ef5:79fb:0:1234:80ff:fffe",
    "2001:db8::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_ones(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_ones_that_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "https://[::1]:8080/x",
        "https://[::ffff:7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_an_address_is_seen_through_its_spellings(url: str) -> None:
    with pytest.raises(SpecError, match="SIGNFORGE_WEBHOOK_PRIVATE_TARGETS") as caught:
        check_url(str(HttpUrl(url)), private_allowed=False)
    assert caught.value.pointer == "/url"
    check_url(str(HttpUrl(url)), private_allowed=True)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "file:///etc/passwd", "https://ada:secret@example.org/", "https://e.org/#a"]
)
def test_other_schemes_credentials_and_fragments_are_refused(url: str) -> None:
    with pytest.raises(SpecError):
        check_url(url, private_allowed=True)


def test_a_name_is_looked_up_when_it_is_used() -> None:
    check_url("https://example.org:8443/hook?x=1", private_allowed=False)
