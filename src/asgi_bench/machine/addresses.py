"""Which IPv4 addresses are loopback or private: load that nobody expects is an attack."""

import ipaddress

# Loopback, and what RFC 1918 sets aside for networks of one's own. Link-local is left out: there
# clouds tell their machines secrets.
OWN_NETWORKS = tuple(
    map(ipaddress.IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
)


def is_own(address: str) -> bool:
    """Whether an IPv4 address is loopback or private; raises ValueError for none."""
    number = ipaddress.IPv4Address(address)
    return any(number in network for network in OWN_NETWORKS)


def is_loopback(address: str) -> bool:
    """Whether an IPv4 address never leaves this machine; raises ValueError for none."""
    return ipaddress.IPv4Address(address).is_loopback
