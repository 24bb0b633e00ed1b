"""Threads for reading pages, of which one that never comes back is left behind. Knows nothing of pages.

Made for many short jobs: to hand one over and back costs half of what `concurrent.futures` with asyncio takes.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

A = TypeVar("A")
T = TypeVar("T")

_CORES = os.cpu_count() or 1  # asked once: it takes the system longer than to read a small page


class _Job:
    """One piece of work, for somebody who waits on a loop."""

    __slots__ = ("_taken", "argument", "begun", "ended", "future", "left", "loop", "thread", "work")

    def __init__(self, work: Callable[[Any], Any], argument: Any) -> None:
        self.work = work
        self.argument = argument
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.thread: threading.Thread | None = None
        self.begun = 0.0  # of the monotonic clock
        self.ended = False
        self.left = False  # has its thread been replaced?
        self._taken = threading.Lock()

    def take(self) -> bool:
        """True for the first who asks: the thread that begins it, or the caller who wants it no more."""
        return self._taken.acquire(blocking=False)

    def do(self) -> None:
        """In the thread that has taken it: the work, and its result to the loop."""
        self.thread, self.begun = threading.current_thread(), time.monotonic()
        result, error = None, None
        try:
            result = self.work(self.argument)
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it is for the caller
            error = raised
        self.ended = True
        with contextlib.suppress(RuntimeError):  # the loop has been closed, so nobody waits
            self.loop.call_soon_threadsafe(self._tell, result, error)

    def _tell(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return  # cancelled, or given up
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Threads:
    """One thread a core, made when first needed."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: set[threading.Thread] = set()  # without those left behind
        self._lost = False

    async def run(self, work: Callable[[A], T], argument: A, patience: float) -> T:
        """Do the work in a thread; TimeoutError when it takes longer than `patience`, in seconds, once begun.

        When the caller is cancelled, work that has begun is left behind too.
        """
        self._fill(self._jobs)
        job = _Job(work, argument)
        self._jobs.put(job)
        watch = job.loop.call_later(patience, self._look_at, job, patience)
        try:
            result: T = await job.future
        except asyncio.CancelledError:
            if not job.take() and not job.ended:
                self._leave(job)
            raise
        finally:
            watch.cancel()
        return result

    def _look_at(self, job: _Job, patience: float) -> None:
        """It has not ended in time; perhaps it waits behind others, or has begun late."""
        if job.future.done():
            return
        left = job.begun + patience - time.monotonic() if job.begun else patience
        if left > 0:
            job.loop.call_later(left, self._look_at, job, patience)
        else:
            self._leave(job)
            job.future.set_exception(TimeoutError())

    def _leave(self, job: _Job) -> None:
        """A thread cannot be stopped: another takes its place, and what waits behind it goes on."""
        job.left = self._lost = True
        if job.thread in self._threads:
            self._threads.remove(job.thread)
            job.loop.call_soon(self._fill, self._jobs)  # not at once: what waits may be cancelled in the same turn

    def _fill(self, jobs: "SimpleQueue[_Job | None]") -> None:
        while jobs is self._jobs and len(self._threads) < _CORES:
            thread = threading.Thread(target=_serve, args=(jobs,), name="parser", daemon=True)
            self._threads.add(thread)
            thread.start()

    def close(self) -> bool:
        """End the threads once they are done; False when one was left behind, which keeps Python from ending."""
        self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._jobs = SimpleQueue()
        return not self._lost


def _serve(jobs: "SimpleQueue[_Job | None]") -> None:
    """The life of a thread."""
    while (job := jobs.get()) is not None:
        if job.take():
            job.do()
        if job.left:
            return
    jobs.put(None)  # for the next of them
