"""Networks that no webhook is sent to: an own list, since Python's differs between its versions.

From the IANA registries of special-purpose addresses, as of November 2026:
https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry

Entries that are globally reachable, such as AS112 and relays, are listed too: no receiver is there.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private use
        "100.64.0.0/10",  # shared by customers of a provider
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # not of IANA: Azure's metadata service; other clouds' are link-local or shared
        "169.254.0.0/16",  # link-local, with metadata services
        "172.16.0.0/12",  # private use
        "192.0.0.0/24",  # protocol assignments: DS-Lite, NAT64 discovery, anycast and dummy addresses
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # automatic multicast tunneling
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private use
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_IPV6_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has allocated to networks of the internet; loopback, local and multicast are outside."""
_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, AS112, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which tunnels to the IPv4 address inside of it
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""Translates to the IPv4 address in its last 32 bits."""


def is_special(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is none of the public internet, also by the IPv4 address inside of it."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _IPV4)
    inner = address.ipv4_mapped
    if address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inner is not None:
        return is_special(inner)
    return address not in _IPV6_GLOBAL_UNICAST or any(address in network for network in _IPV6)
