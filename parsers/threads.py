"""Threads for reading pages, of which one that never comes back is left behind. Knows nothing of pages."""

import asyncio
import os
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
        """Do the work in a thread; TimeoutError after `patience` seconds, in which it may also have waited its turn."""
        pool = self._pool = self._pool or ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="parser")
        future = asyncio.get_running_loop().run_in_executor(pool, work, argument)
        done, _ = await asyncio.wait([future], timeout=patience)
        if done:
            return future.result()
        if pool is self._pool:
            # A thread cannot be stopped. Its pool ends what it has at hand, while a new one takes what comes.
            self._pool, self._lost = None, True
            pool.shutdown(wait=False)
        raise TimeoutError

    def close(self) -> bool:
        """End the threads once they are done; False when one was left behind, which keeps Python from ending."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        return not self._lost
