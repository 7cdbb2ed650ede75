"""Address checks of webhook URLs (SSRF protection): public addresses only, unless the operator allows others.

A webhook makes the service send requests from inside its network to a URL that a user chose. Without these
checks it could reach databases, other hosts and the cloud's metadata service.
"""

import ipaddress
from urllib.parse import urlsplit

from core.errors import SpecError
from core.jobs.webhooks.special_networks import is_special

_POINTER = "/url"
_ADVICE = "The service sends webhooks to other addresses only with SIGNFORGE_WEBHOOK_PRIVATE_TARGETS=1."


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
    """The error of a delivery to a host name that is unknown, or that resolves to a refused address.

    One message for both: two would let a user find out the names of the service's own network.
    """
    return f"{host} does not resolve to a public address. {_ADVICE}"


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, including an IPv4 address embedded in IPv6."""
    return not is_special(ipaddress.ip_address(address.split("%")[0]))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
