"""The pace of one host: slower at once when it complains, faster again slowly, never faster than the settings allow.

A complaint is a 429, a 503, a timeout, or that even the quickest of the latest answers took far longer than usual. It
makes the delay longer by a factor; good answers make it shorter by equal steps (additive increase of the rate and
multiplicative decrease: D. Chiu and R. Jain, 1989). What is added to that keeps it from swinging: the longest delay at
which a host has complained is remembered, and for half an hour the delay stays a tenth above it. So the pace settles
right below what the host bears, after a few complaints, and brings about hardly any more of them.

Synchronous; the clock is an argument, in seconds that only go forward.
"""

import math

from crawler.model import Answer

OWN_PACE = "the pace of --delay"
"""Why a host has the pace that it has, when nobody asked for another."""
SECTION_PACE = "the pace of its [[host]] section"
"""The same, when the settings have a section for it."""
_COMPLAINTS = frozenset({429, 503})
_SLOWEST = 60.0  # seconds: no complaint makes the delay longer
_FROM_NOTHING = 0.05  # seconds that a shorter delay is taken for at a complaint
_STEPS = 20  # good answers that take the delay back to its aim; and that give back a slot
_ABOVE = 1.08  # the aim, as a multiple of the longest delay that brought a complaint
_MEMORY = 1800.0  # seconds without a complaint after which the pace of the settings is tried again
_FEW = 8  # answers
_LATE, _LATE_LEAST = 3.0, 1.0  # so many times as long as usual, and so many seconds at least
_LEARNS = 0.2  # how much of what is late becomes usual: another part of the site may just be slower


class Pace:
    """The delay and the slots of a host, as they are now, and why."""

    __slots__ = (
        "_bad",
        "_few",
        "_floor",
        "_good",
        "_least",
        "_most",
        "_own",
        "_quickest",
        "_since",
        "_step",
        "_usual",
        "delay",
        "own",
        "reason",
        "slots",
    )

    def __init__(self, delay: float, slots: int, reason: str = OWN_PACE) -> None:
        """`delay`: least seconds between the starts of two requests; `slots`: requests under way at once, at most.

        `reason`: why, as long as nobody asks for another pace.
        """
        self.delay = self._floor = self._least = delay
        self.slots = self._most = slots
        self.reason = self._own = self.own = reason
        self._bad = 0.0  # the longest delay at which the host has complained
        self._since = -math.inf  # when the pace was last made slower
        self._step = 0.0  # seconds by which a good answer makes the delay shorter
        self._good = 0  # answers since then
        self._few, self._quickest = 0, math.inf  # the latest answers, and the quickest of them in seconds
        self._usual = math.inf  # seconds that the quickest of a few usually takes

    def ask(self, delay: float, reason: str) -> None:
        """Somebody asks for at least this delay, instead of what was asked for before; never for less than at first."""
        if delay <= self._least:
            delay, reason = self._least, self.own
        settled = self.delay == self._floor
        self._floor, self._own = delay, reason
        if settled or self.delay < delay:
            self.delay, self.reason = delay, reason

    def learn(self, answer: Answer, now: float) -> None:
        """Take in how a request has ended, just now."""
        if now - answer.elapsed < self._since:
            return  # it had begun before the pace was made slower, and says nothing of the new one
        if answer.status in _COMPLAINTS:
            self._slower(2.0, f"a {answer.status}", now, remember=True)
        elif answer.error == "timeout":  # perhaps of this page alone
            self._slower(2.0, "a timeout", now, remember=False)
        elif answer.status is not None:
            self._faster(now)
            if self._floor:  # who asks for no delay keeps this crawler itself so busy that answers come late
                self._look_at(answer.elapsed, now)

    @property
    def _aim(self) -> float:
        return max(self._floor, min(_ABOVE * self._bad, _SLOWEST))

    def _slower(self, factor: float, why: str, now: float, *, remember: bool) -> None:
        before = max(self.delay, _FROM_NOTHING)
        if remember:
            self._bad = max(self._bad, before)
        self.delay = max(self.delay, min(factor * before, _SLOWEST))
        self.slots = max(1, self.slots // 2)
        self.reason = f"slowed down by {why}"
        self._since = now
        self._step = (self.delay - self._aim) / _STEPS
        self._good, self._few, self._quickest = 0, 0, math.inf

    def _faster(self, now: float) -> None:
        self._good += 1
        if self._good % _STEPS == 0:
            self.slots = min(self.slots + 1, self._most)
        if self._bad and now - self._since > _MEMORY:
            self._bad = 0.0
            self._step = (self.delay - self._aim) / _STEPS
        self.delay = max(self.delay - self._step, self._aim)
        if self.delay == self._floor and self.slots == self._most:
            self.reason = self._own

    def _look_at(self, elapsed: float, now: float) -> None:
        """Notice when answers come late: even the quickest of a few, since some pages take long by themselves."""
        self._few += 1
        self._quickest = min(self._quickest, elapsed)
        if self._few < _FEW:
            return
        quickest, self._few, self._quickest = self._quickest, 0, math.inf
        if quickest <= max(_LATE * self._usual, _LATE_LEAST):
            self._usual = min(self._usual, quickest)
            return
        self._usual += _LEARNS * (quickest - self._usual)
        if self.delay < 2 * quickest:  # slower than that, it is not our requests that make it late
            self._slower(1.5, "answers that come late", now, remember=True)
