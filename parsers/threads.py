"""Threads for reading pages, of which one that never comes back is left behind. Knows nothing of pages."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


class Threads:
    """One thread a core, made when first needed."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._lost = False

    async def run(self, work: Callable[[A], T], argument: A, patience: float) -> T:
        """Do the work in a thread; TimeoutError when it takes longer than `patience`, in seconds, once begun.

        When the caller is cancelled, work that has begun is left behind too.
        """
        while True:
            pool = self._pool = self._pool or ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="parser")
            begun: list[float] = []
            job = pool.submit(_timed, work, argument, begun)
            future = asyncio.wrap_future(job)
            left = patience
            while left > 0:
                try:
                    done, _ = await asyncio.wait([future], timeout=left)
                except asyncio.CancelledError:
                    if not job.cancel() and not job.done():
                        self._leave(pool)
                    raise
                if done:
                    return future.result()
                if job.cancel():  # it was still behind others, perhaps behind some that never end
                    break
                left = begun[0] + patience - time.monotonic()
            else:
                self._leave(pool)
                raise TimeoutError

    def _leave(self, pool: ThreadPoolExecutor) -> None:
        """A thread cannot be stopped: its pool ends what it has at hand, while a new one takes what comes."""
        self._lost = True
        if pool is self._pool:
            self._pool = None
            pool.shutdown(wait=False)

    def close(self) -> bool:
        """End the threads once they are done; False when one was left behind, which keeps Python from ending."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        return not self._lost


def _timed(work: Callable[[A], T], argument: A, begun: list[float]) -> T:
    begun.append(time.monotonic())
    return work(argument)
