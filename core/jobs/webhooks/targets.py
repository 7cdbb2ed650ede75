"""Address checks of webhook URLs (SSRF protection): public addresses only, unless the operator allows others.

A webhook makes the service send requests from inside its network to a URL that a user chose. Without these
checks it could reach databases, other hosts and the cloud's metadata service.
"""

import ipaddress
from urllib.parse import urlsplit

from core.errors import SpecError

_POINTER = "/url"
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ADVICE = "The service sends webhooks to such addresses only with SIGNFORGE_WEBHOOK_PRIVATE_TARGETS=1."
_METADATA = frozenset({"168.63.129.16"})
"""Azure's metadata service, a public address. Those of other clouds are link-local, private or shared."""


def check_url(url: str, *, private_allowed: bool) -> None:
    """Refuse a URL that no webhook may be sent to, without resolving its host name.

    Raises:
        SpecError: it is not http(s), has credentials or a fragment, or its literal address is not public.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise SpecError(f"The URL has scheme {parts.scheme!r}; use http or https.", pointer=_POINTER)
    if parts.username is not None or parts.password is not None:
        raise SpecError(
            "The URL contains credentials, which would be shown in lists. Remove them. The receiver can "
            "verify the signature instead.",
            pointer=_POINTER,
        )
    if parts.fragment or not parts.hostname:
        raise SpecError("The URL must have a host and no fragment (#...).", pointer=_POINTER)
    if _is_address(parts.hostname) and not private_allowed and not is_public(parts.hostname):
        raise SpecError(f"{parts.hostname} is not a public address. {_ADVICE}", pointer=_POINTER)


def refusal(host: str) -> str:
    """The error of a delivery whose host resolves to a refused address. It does not reveal the address."""
    return f"{host} resolves to an address that is not public. {_ADVICE}"


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, including an IPv4 address embedded in IPv6."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and str(ip) not in _METADATA
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    if inner is not None:
        return is_public(str(inner))
    return ip in _GLOBAL_UNICAST and ip.is_global


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
