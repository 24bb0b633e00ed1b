"""What the frontier in SQLite keeps in memory beside its file, so that neither a known link nor a queue needs the disk.

It belongs to the thread of the file, hears of a change once the transaction is kept, and is made anew from the file at
start. URLs go by their numbers: 1, 2, 3 ... in the order they were found.
"""

from collections.abc import Sequence
from typing import NamedTuple

from crawler.frontier import REVOCABLE
from crawler.frontier.membership import ASK, Membership, level
from crawler.frontier.order import rank, youngest_first
from crawler.frontier.queues import Queues
from crawler.model import Finished, Order, Request


class New(NamedTuple):
    """A URL that was not known."""

    url: str
    host: str
    parent: int | None
    depth: int
    hops: int
    tenths: int  # its priority
    refused: str | None


class Nearer(NamedTuple):
    """A URL that waits, now that it was found another way, or with a higher priority."""

    id: int
    url: str
    host: str
    depth: int
    hops: int
    tenths: int
    before: tuple[int, int]  # its depth and priority until now
    refused: str | None  # why it was refused until now, if it was


class Added(NamedTuple):
    """What a batch of findings has changed."""

    new: list[New]
    hosts: dict[str, int]  # those that were not known, with their numbers
    nearer: list[Nearer]
    closed: list[str]  # known URLs that no finding will ever change


class Index:
    """Membership, queues, hosts and what is in hand."""

    def __init__(self, hosts: dict[str, int], expected: int = 0, order: Order = "breadth") -> None:
        """`hosts`: all that are known, with their numbers; `expected`: how many URLs are about to be added."""
        self.hosts = hosts
        self.order: Order = order
        self.members = Membership(expected)
        self.queues = Queues(youngest_first=youngest_first(order))
        self.in_hand: dict[int, Request] = {}

    def added(self, added: Added) -> None:
        first = len(self.members) + 1
        levels = [
            level(new.depth, new.hops, new.tenths) if new.refused is None else ASK if new.refused in REVOCABLE else 0
            for new in added.new
        ]
        self.members.add([new.url for new in added.new], first, levels)
        self.hosts |= added.hosts
        lines: dict[tuple[str, int, int], list[int]] = {}
        for number, (_, host, _, depth, _, priority, refused) in enumerate(added.new, first):
            if refused is None:
                lines.setdefault((host, depth, priority), []).append(number)
        for (host, depth, priority), numbers in lines.items():
            self.queues.append(host, rank(self.order, depth, priority), numbers)
        for one in added.nearer:
            # One that waits for its due time is in no queue.
            if one.refused is not None or self.queues.remove(one.host, rank(self.order, *one.before), one.id):
                self.queues.put(one.host, rank(self.order, one.depth, one.tenths), one.id)
            self.members.set_level(one.url, level(one.depth, one.hops, one.tenths))
        for url in added.closed:
            self.members.set_level(url, 0)

    def claimed(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self.queues.remove(request.host, request.rank, request.id)
            self.in_hand[request.id] = request

    def settling(self, finished: Sequence[Finished]) -> None:
        """About to be settled. A level that is too high does no harm if they are not."""
        for item in finished:
            if item.reason in REVOCABLE and item.state == "refused":
                self.members.set_level(self.in_hand[item.id].url, ASK)

    def settled(self, finished: Sequence[Finished]) -> None:
        for item in finished:
            request = self.in_hand.pop(item.id)
            if item.state == "waiting" and item.due <= 0:
                self.queues.put(request.host, request.rank, item.id)

    def released(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            request = self.in_hand.pop(id_)
            self.queues.put(request.host, request.rank, id_)

    def dropped(self, host: str, ids: Sequence[int]) -> None:
        """These of the host's URLs that might have been claimed are refused."""
        self.queues.remove_all(host, frozenset(ids))
