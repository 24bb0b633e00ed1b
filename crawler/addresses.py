"""IP addresses that many hosts may share: how many requests are under way to each, and who waits for it. Pure.

A small server with a hundred virtual hosts is a hundred hosts to politeness; this is what it must bear at once in all.
"""

from collections import deque
from ipaddress import ip_address
from typing import Generic, TypeVar

Host = TypeVar("Host")


class Address(Generic[Host]):
    """One address, with the requests under way to it."""

    __slots__ = ("busy", "ip", "line", "most")

    def __init__(self, ip: str, most: int) -> None:
        self.ip = ip
        self.most = most
        self.busy = 0  # requests of all its hosts, given out and not done
        self.line: deque[Host] = deque()  # hosts whose turn it was when the address was busy

    def free(self, slots: int) -> bool:
        """May one more request go to it, of a host that has so many slots? One host alone may use all of its own."""
        return self.busy < max(self.most, slots)


class Addresses(Generic[Host]):
    """All addresses that are limited and were met."""

    def __init__(self, most: int | None) -> None:
        """`most`: requests under way at once to one address; None is no limit."""
        self._most = most
        self._addresses: dict[str, Address[Host]] = {}

    def of(self, ip: str) -> Address[Host] | None:
        """The address of this spelling; None for what is not limited: loopback, and what is no address at all."""
        if self._most is None:
            return None
        address = self._addresses.get(ip)
        if address is None and _limited(ip):
            address = self._addresses[ip] = Address(ip, self._most)
        return address


def _limited(ip: str) -> bool:
    try:
        return not ip_address(ip).is_loopback
    except ValueError:
        return False
