"""Which addresses may be connected to, so that no page of the web can send the crawler into the inner network. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Policy = Literal["seeds", "allow", "deny"]
"""Of addresses that are not public. seeds: for hosts named as seeds, pinned; allow: for all; deny: for none."""

# What IANA lists as not globally reachable, multicast, and what no public server has: written out, because Python's
# `is_global` differs between patch releases and calls multicast and tunnels global.
# https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry
_NOT_PUBLIC_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 itself reaches loopback
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers (RFC 6598)
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, with the clouds' metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526)
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")  # all that IANA has given out; loopback, local and multicast lie outside
_NOT_PUBLIC_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, among them Teredo, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",  # documentation
    )
]
# How a network without IPv4 reaches the IPv4 address that stands in the last 32 bits (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")


@lru_cache(maxsize=4096)
def _classify(address: str) -> tuple[str, bool] | None:
    """The address in one spelling, and whether it is public; None if it is no address or has a scope id."""
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return None
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
    return str(ip), _is_public(ip)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    if ip in _NAT64:
        return _is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _GLOBAL_UNICAST_V6 and not any(ip in network for network in _NOT_PUBLIC_V6)


class Guard:
    """Public addresses are for everyone, others by the policy. Hosts are "name:port", as `parsers.urls.host` has them.

    With the policy "seeds", a seed's private addresses are pinned at its first use: until it has first answered, each
    one tried is taken; from then on only those are allowed. So a name cannot lead to one inner address today and to
    another tomorrow (DNS rebinding), and a seed that was public stays public.
    """

    def __init__(self, policy: Policy, seeds: Iterable[str], pinned: Mapping[str, Sequence[str]]) -> None:
        """`pinned` is what the property of that name held when the job last stopped."""
        self.revision = 0  # grows whenever `pinned` does
        self.told: Callable[[str, Sequence[str]], None] = lambda host, addresses: None
        """Called with a host that has just been pinned, and its private addresses."""
        self._policy = policy
        self._pinned = {host: tuple(addresses) for host, addresses in pinned.items()}
        self._open: dict[str, set[str]] = {}  # seeds that have not answered yet, with the private addresses tried
        for host in seeds:
            self.admit(host)

    @property
    def pinned(self) -> dict[str, list[str]]:
        """The private addresses of each seed that has answered; an empty list for one that was public.

        Kept over a restart, it keeps the guarantee. A host in it counts as a seed.
        """
        return {host: list(addresses) for host, addresses in self._pinned.items()}

    def pins(self, host: str) -> Sequence[str] | None:
        """The private addresses that a host is held to; None when it has not been pinned."""
        return self._pinned.get(host)

    def admit(self, host: str) -> None:
        """Name another seed. One that was pinned stays as it is."""
        if self._policy == "seeds" and host not in self._pinned:
            self._open.setdefault(host, set())

    def allows(self, host: str, address: str) -> bool:
        """Whether a connection to this IP address may be made, or used, in the name of this host."""
        known = _classify(address)
        if known is None:
            return False
        spelling, public = known
        if public:
            return True
        if self._policy != "seeds":
            return self._policy == "allow"
        tried = self._open.get(host)
        if tried is None:
            return spelling in self._pinned.get(host, ())
        tried.add(spelling)
        return True

    def answered(self, host: str) -> None:
        """The host has answered: its pins are closed, if they were not yet."""
        tried = self._open.get(host)
        if tried is not None:
            self.pin(host, sorted(tried))
            self.told(host, self._pinned[host])

    def pin(self, host: str, addresses: Sequence[str]) -> None:
        """Hold a seed to these private addresses, as another process has found them."""
        self._open.pop(host, None)
        self._pinned[host] = tuple(addresses)
        self.revision += 1
