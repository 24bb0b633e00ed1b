"""The breaker of one host: when nothing answers there any more, it sleeps, is probed, and in the end is given up.

What counts are requests in a row that got no answer at all; any answer with a status begins anew. After a few of them
the host sleeps. Then one request alone asks whether it is back: if it is, all is as before, if not, the host sleeps
twice as long. Once nothing has answered for as long as its pages may wait, and the last probe too was in vain, the host
is given up. So a million of its URLs cost a dozen requests, not a million of time-outs.
(M. Nygard, "Release It!", 2007, gave the pattern its name.)

Synchronous; the clock is an argument, in seconds that only go forward.
"""

from collections.abc import Callable

from crawler.model import Answer

SILENCE = frozenset({"dns", "connect", "tls", "timeout", "reset"})
"""The errors that count, when no status has come: nothing that speaks HTTP was reached."""
_MANY = 5  # of them in a row, and the host sleeps
_FIRST_SLEEP, _LONGEST_SLEEP = 5.0, 300.0  # seconds


class Breaker:
    """What is known of a host's silence."""

    __slots__ = ("_last", "_since", "_sleep", "failures", "given_up", "until")

    def __init__(self) -> None:
        self.failures = 0
        """Requests in a row without any answer."""
        self.until = 0.0
        """Of a host that sleeps: when it is to be probed."""
        self.given_up = False
        self._last = ""  # the code of the last failure
        self._since = 0.0  # when the first of the failures ended
        self._sleep = 0.0  # seconds of the present sleep, as long as it was meant to be

    @property
    def open(self) -> bool:
        """Does the host sleep, or is it being probed? Then one request at once is enough."""
        return self.failures >= _MANY

    @property
    def reason(self) -> str:
        """Why it is open, for people."""
        return f"asleep after {self.failures} failures in a row, the last: {self._last}"

    def give_up_at(self, patience: float) -> float:
        """When a probe in vain will be the last one."""
        return self._since + patience

    def learn(self, answer: Answer, now: float, patience: float, jitter: Callable[[], float] = lambda: 0.0) -> None:
        """Take in how a request has ended, just now.

        `patience`: seconds that the host's pages may wait for it; `jitter`: the part of itself by which a sleep is
        longer, so that hosts which fell silent together are not probed together for ever.
        """
        if answer.status is not None:
            self.failures, self._sleep = 0, 0.0
        elif answer.error in SILENCE:
            was_open = self.open
            self.failures, self._last = self.failures + 1, answer.error or ""
            if self.failures == 1:
                self._since = now
            if self.open and not (was_open and now - answer.elapsed < self.until):  # what began before is no probe
                self.given_up = was_open and now >= self.give_up_at(patience)
                self._fall_asleep(now, patience, jitter)

    def _fall_asleep(self, now: float, patience: float, jitter: Callable[[], float]) -> None:
        self._sleep = min(2 * self._sleep or _FIRST_SLEEP, _LONGEST_SLEEP)
        left = max(self.give_up_at(patience) - now, min(_FIRST_SLEEP, patience))
        self.until = now + min(self._sleep * (1.0 + jitter()), left)
