"""A name server on loopback, over UDP and TCP, whose zone a test states name by name; it writes down what it is asked.

It works in threads of its own, so that a loop which is busy does not make it lose datagrams.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

A, CNAME, SOA, AAAA = 1, 5, 6, 28
_KINDS = {4: A, 6: AAAA}
NO_ERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


@dataclass
class Name:
    """What is said of a name."""

    addresses: tuple[str, ...] = ()
    ttl: int = 0
    rcode: int = NO_ERROR
    aliases: tuple[str, ...] = ()  # the chain of CNAMEs before the addresses
    negative_ttl: int | None = None  # of the SOA that comes with an answer without addresses
    cut: bool = False  # over UDP nothing but the wish to be asked over TCP
    silent: bool = False
    forge: Callable[[bytes], bytes] = field(default=lambda answer: answer)  # what is sent instead of the answer


class Nameserver:
    """A server at a free port. A name that is not stated does not exist."""

    def __init__(self) -> None:
        self.names: dict[str, Name] = {}
        self.asked: list[tuple[str, int]] = []  # name and type, in order
        self.watch: Callable[[str], None] = lambda name: None
        self.tcp_queries = 0
        self.closing = False
        self.udp, self.tcp = _sockets()
        self.port = self.udp.getsockname()[1]

    @property
    def address(self) -> str:
        """As --dns-server takes it."""
        return f"127.0.0.1:{self.port}"

    def say(self, name: str, *addresses: str, **more: object) -> Name:
        """State a name."""
        said = self.names[name] = Name(addresses, **more)  # type: ignore[arg-type]  # the options are Name's fields
        return said

    def count(self, name: str, kind: int = A) -> int:
        """How often a name was asked for."""
        return self.asked.count((name, kind))

    def serve_udp(self) -> None:
        """Answer until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                query, sender = self.udp.recvfrom(4096)
                if self.closing:
                    return
                if (answer := self._answer(query, over_udp=True)) is not None:
                    self.udp.sendto(answer, sender)

    def serve_tcp(self) -> None:
        """Answer until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                with connection, contextlib.suppress(OSError):
                    if self.closing:
                        return
                    while length := connection.recv(2, socket.MSG_WAITALL):
                        query = connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
                        self.tcp_queries += 1
                        answer = self._answer(query, over_udp=False) or b""
                        connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answer(self, query: bytes, *, over_udp: bool) -> bytes | None:
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode().lower())
            at += 1 + length
        name = ".".join(labels)
        (kind,) = struct.unpack_from(">H", query, at + 1)
        question = query[12 : at + 5]
        self.asked.append((name, kind))
        self.watch(name)
        said = self.names.get(name, Name(rcode=NXDOMAIN))
        if said.silent:
            return None
        if said.cut and over_udp:
            return query[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + question
        answers, authority, owner = [], [], name
        for alias in said.aliases:
            answers.append(_record(owner, CNAME, said.ttl, _wire(alias)))
            owner = alias
        addresses = [address for address in map(ip_address, said.addresses) if _KINDS[address.version] == kind]
        answers += [_record(owner, kind, said.ttl, address.packed) for address in addresses]
        if not answers and said.negative_ttl is not None:
            times = struct.pack(">IIIII", 1, 2, 3, 4, said.negative_ttl)
            authority.append(_record("test", SOA, said.negative_ttl, _wire("ns.test") + _wire("me.test") + times))
        header = struct.pack(">HHHHH", 0x8180 | said.rcode, 1, len(answers), len(authority), 0)
        return said.forge(query[:2] + header + question + b"".join(answers) + b"".join(authority))


def _wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _record(owner: str, kind: int, ttl: int, data: bytes) -> bytes:
    return _wire(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def _sockets() -> tuple[socket.socket, socket.socket]:
    """A free port that is free for both."""
    for _ in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()
    raise AssertionError("no port is free for UDP and TCP")


@contextlib.contextmanager
def serving() -> Iterator[Nameserver]:
    """A name server at work."""
    server = Nameserver()
    threads = [threading.Thread(target=serve, daemon=True) for serve in (server.serve_udp, server.serve_tcp)]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        server.closing = True
        with server.udp, server.tcp:
            server.udp.sendto(b"", server.udp.getsockname())  # wakes its thread
            with contextlib.suppress(OSError):
                socket.create_connection(server.tcp.getsockname(), 5).close()
            for thread in threads:
                thread.join(5)
