"""Whose an address is: bounds hold for one peer, and a peer may have more than one address."""

from __future__ import annotations

import ipaddress

NETWORK_BITS = 64  # of IPv6: one line has at least as many addresses, and takes any of them


def peer_at(address: str) -> str:
    """One name for all addresses of a peer: an IPv4 address as it is, of an IPv6 address the network."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), NETWORK_BITS), strict=False))
