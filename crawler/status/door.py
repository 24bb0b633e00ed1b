"""By which names the status page may be asked for."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from tornado.httputil import split_host_and_port


class Door:
    """Which Host and Origin headers are let in.

    A page of a foreign site can reach loopback through a name of its own that resolves to 127.0.0.1 (DNS rebinding),
    and any page may open a WebSocket to us: both show in these headers, which a page cannot forge.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._trusted = frozenset(map(str.lower, names))
        self._names = {"localhost", *self._trusted}

    def open_for(self, address: str) -> None:
        """Let in who asks for the address that is listened on."""
        self._names.add(address.lower())

    def admits(self, host: str) -> bool:
        """Is this Host header, with any port, one of ours?"""
        name = split_host_and_port(host.lower())[0].removeprefix("[").removesuffix("]")
        return name in self._names or _is_loopback(name)

    def admits_origin(self, origin: str, host: str) -> bool:
        """May a page of this origin watch, through a request with this Host header?

        Its own may, and those of trusted names (a proxy may have rewritten Host). Another port of localhost may not: it
        can be anybody's page.
        """
        try:
            parts = urlsplit(origin.lower())
            return parts.netloc == host.lower() or parts.hostname in self._trusted
        except ValueError:
            return False


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
