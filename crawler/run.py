"""Builds the house from the settings, lets the crawl run in it, and says how it ended."""

import asyncio
import contextlib
import itertools
import logging
import os
import resource
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import parsers.text
import storage
from crawler import explain, frontier, loops, progress
from crawler import fetcher as fetching
from crawler.engine import Engine
from crawler.export import export, writing
from crawler.frontier import Reader
from crawler.guard import Guard
from crawler.job import Job, JobError, demo_port, look
from crawler.kinds import plain
from crawler.model import Change, CrewError, UserError
from crawler.options import SettingsError
from crawler.scope import Scope
from crawler.seeds import read
from crawler.settings import DEMO, Settings
from crawler.sources import load
from crawler.status import app as status
from parsers import urls
from storage.record import StoreError

log = logging.getLogger(__name__)

FINISHED, BUG, USAGE, NO_ANSWER, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: the crawl ended by itself or by a budget; a bug; bad usage, or the job is locked; no seed gave any
answer; stopped by Ctrl-C, SIGTERM, a terminal that has gone or the page, with all saved."""

_HOME = Path(__file__).resolve().parent.parent
_OTHER_FILES = 100  # open files beside those of requests: the job's, the status page's watchers, resolving names
_FILES_OF_A_PROCESS = 4  # the first process has one for long, and others while it starts the process
_SUMMARY_EVERY = 5  # ticks of the engine between two versions of summary.json


class DemoError(UserError):
    """The built-in web cannot be started."""


def main(arguments: Sequence[str]) -> int:
    """Crawl as the command line says; returns the exit code."""
    _open_standard_streams()
    try:
        code = _run(arguments)
    except KeyboardInterrupt:  # before the crawl had begun; later, Ctrl-C is a signal that the engine takes
        code = STOPPED
    except Exception:  # noqa: BLE001 - a bug: whatever it was, the process must end below
        traceback.print_exc()
        code = BUG
    if not parsers.close():
        sys.stdout.flush()
        os._exit(code)  # a thread still works on a hostile page; all is saved and closed
    return code


def _open_standard_streams() -> None:
    """A program started without them must not take its first sockets and files for them."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115 - for as long as we run


def _run(arguments: Sequence[str]) -> int:
    try:
        settings = load(arguments, _HOME)
        _check_actions(settings)
        if settings.try_:
            from crawler import trial  # nobody else needs it

            with asyncio.Runner(loop_factory=loops.factory()) as runner:
                runner.run(trial.try_out(settings))
            return FINISHED
        if settings.explain or settings.export:
            return _look_into(settings)
        seeds = read(settings)
        _raise_open_files(settings.concurrency, _processes(settings))
        with contextlib.closing(Job(settings.job)) as job:
            _begin(job, settings)
            with asyncio.Runner(loop_factory=loops.factory()) as runner:
                return runner.run(_crawl(job, settings, seeds))
    except (UserError, StoreError) as error:
        print(f"crawl.py: {error}", file=sys.stderr)  # noqa: T201 - the one line that the user must see
        return USAGE
    except CrewError as error:
        print(f"crawl.py: {error}", file=sys.stderr)  # noqa: T201 - as above
        return BUG


def _check_actions(settings: Settings) -> None:
    """Raises SettingsError, JobError for what cannot be done at all."""
    actions = [
        f"--{name.rstrip('_')}" for name in ("explain", "try_", "export", "fresh", "recrawl") if getattr(settings, name)
    ]
    if len(actions) > 1:
        raise SettingsError(f"{' and '.join(actions)}: only one of them at a time")
    if settings.recrawl and settings.frontier == "memory":
        raise SettingsError(
            "--recrawl: with --frontier=memory nothing is left of the crawl that could be visited again"
        )
    if settings.recrawl:
        look(settings.job)
    if settings.text != "none" and (missing := parsers.text.missing()):
        raise SettingsError(f"--text={settings.text}: {missing}")


def _look_into(settings: Settings) -> int:
    """Answer a question about a job, which another process may own, and crawl nothing."""
    tables = look(settings.job)
    reader = frontier.reader(settings.frontier, settings.job)
    with asyncio.Runner() as runner:
        if settings.explain:
            runner.run(_explain(settings, reader, tables))
        else:
            count = 0
            with writing(settings.export) as out:
                count = runner.run(export(reader, out))
            if settings.export != "-":
                progress.say(sys.stdout, f"{progress.count(count, 'URL')} written to {settings.export}\n")
    return FINISHED


async def _explain(settings: Settings, reader: Reader, tables: Mapping[str, Any]) -> None:
    seeds = read(settings)
    if DEMO in seeds:
        from benchmarks.generated import Shape, Web

        web = Web(Shape()).seeds(port) if (port := demo_port(tables)) else []
        seeds = _with_demo(seeds, web)
    scope = Scope(settings, seeds)
    for note in await reader.notes("scope:"):
        scope.admit(note.removeprefix("scope:"))
    try:
        explanation = await explain.Explainer(settings, scope, reader, seeds).explain(settings.explain)
    except ValueError as error:
        raise SettingsError(f'--explain: "{plain(settings.explain)}" is no URL: {error}') from error
    progress.say(sys.stdout, "\n".join(explain.lines(explanation, settings.explain)) + "\n")


def _begin(job: Job, settings: Settings) -> None:
    """Throw the old crawl away where that was asked for, and start the log."""
    if settings.fresh and job.begun:
        if not settings.yes:
            _ask(f"Throw away what the job {job.folder} has? [y/N] ")
        job.throw_away()
    job.read()
    if settings.frontier == "memory" and job.begun:
        raise JobError(f"--frontier=memory cannot go on with the job {job.folder}: --fresh starts it over")
    if job.has_records and not job.has_frontier:
        raise JobError(f"the job {job.folder} has records but no frontier.sqlite to go on with: --fresh starts it over")
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    root.addHandler(job.log_handler())
    root.addHandler(progress.Warnings(logging.WARNING))


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise JobError("--fresh throws away what the job has; without a terminal to ask on, it needs --yes")
    try:
        answer = input(question)
    except EOFError:
        sys.stdout.write("\n")
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise JobError("nothing was thrown away, and nothing crawled")


def _processes(settings: Settings) -> int:
    """How many processes fetch and parse; with auto, one for each core that this one may use."""
    if settings.processes is not None:
        return settings.processes
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _raise_open_files(concurrency: int, processes: int) -> None:
    """Ask the system for as many open files as so many requests may need, with their idle connections, and a crew."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = _OTHER_FILES + (_FILES_OF_A_PROCESS * processes if processes > 1 else 0)
    needed = 2 * concurrency + others
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        most = max((hard - others) // 2, 0)
        crew = f" with --processes={processes}" if processes > 1 else ""
        raise SettingsError(
            f"--concurrency={concurrency}{crew} needs {needed} open files, and the system allows {hard}: "
            + (f"--concurrency={most} fits" if most else f"{'fewer --processes, or ' if crew else ''}see ulimit -n")
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def _crawl(job: Job, settings: Settings, seeds: Sequence[str]) -> int:
    async with contextlib.AsyncExitStack() as stack:
        if DEMO in seeds:
            web = await _demo(job, stack)
            seeds = _with_demo(seeds, web)
        guard = Guard(settings.private, map(urls.host, seeds), job.pinned)
        fetcher = fetching.make(settings, guard, seeds, settings.concurrency)
        stack.callback(fetcher.close)
        places = storage.Places(settings.store, job.folder)
        engine = Engine(
            settings,
            frontier.make(settings.frontier, job.folder, settings.order),
            places,
            fetcher,
            seeds,
            processes=_processes(settings),
            lock=job.lock,
        )
        stack.push_async_callback(engine.close)
        job.save(settings)
        if not await engine.open():
            return _nothing_left(engine, job, settings)
        if engine.recrawl:
            progress.say(sys.stdout, progress.recrawling(engine.view.snapshot(), engine.recrawl))
        address = await _status_page(engine, settings, stack)
        _keep_fresh(engine, job, settings, guard, address)
        stops = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup: it is to go on without its terminal
            stops.remove(signal.SIGHUP)
        for signum in stops:
            asyncio.get_running_loop().add_signal_handler(signum, engine.stop)
        showing = asyncio.create_task(progress.show(engine.view, address), name="progress")
        try:
            await engine.run()
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
    text = progress.summary(engine.view.snapshot(), pages=engine.pages, refused=engine.refused(), places=job.places())
    if engine.recrawl:
        text += progress.changes(engine.recrawl, engine.changes())
    progress.say(sys.stdout, text)
    if engine.state == "stopped":
        return STOPPED
    return FINISHED if engine.answered or engine.budget_spent else NO_ANSWER


def _with_demo(seeds: Sequence[str], web: Sequence[str]) -> list[str]:
    """The seeds, with those of the built-in web in the place of DEMO."""
    return [url for seed in seeds for url in (web if seed == DEMO else [seed])]


async def _demo(job: Job, stack: contextlib.AsyncExitStack) -> Sequence[str]:
    """Serve the built-in web, at the port that the job began with, and give its seeds. Raises DemoError."""
    from benchmarks.web import Shape, serving  # taken from there only when asked for

    try:
        web = await stack.enter_async_context(serving(Shape(), port=job.demo_port))
    except RuntimeError as error:
        raise DemoError(f"the built-in web cannot be started: {error}") from error
    job.demo_port = web.port
    return web.seeds


async def _status_page(engine: Engine, settings: Settings, stack: contextlib.AsyncExitStack) -> str | None:
    """Start the status page, and say where it is. Raises ListenError."""
    if settings.port is None:
        return None
    page = await status.listen(status.make_app(engine.view), settings.address, settings.port, settings.port_given)
    stack.push_async_callback(page.close)
    if page.port != settings.port and settings.port != 0:
        progress.say(sys.stdout, f"Port {settings.port} is taken, so the status page is at {page.url}\n")
    return page.url


def _keep_fresh(engine: Engine, job: Job, settings: Settings, guard: Guard, address: str | None) -> None:
    """Write summary.json now and then and at the end, and job.toml when an address was pinned."""
    began = datetime.now(UTC)
    ticks = itertools.count()
    pinned = guard.revision
    warned = False

    def write() -> None:
        nonlocal pinned, warned
        try:
            if guard.revision != pinned:
                revision, job.pinned = guard.revision, guard.pinned
                job.save(settings)
                pinned = revision
            if next(ticks) % _SUMMARY_EVERY == 0 or engine.state in ("finished", "stopped"):
                job.summarise(_figures(engine, began, address))
            warned = False
        except JobError as error:
            if not warned:
                told = engine.view.snapshot().trouble is not None  # a full disk needs no second line on the terminal
                log.log(logging.INFO if told else logging.WARNING, "%s", error)
            warned = True

    engine.ticked.append(write)
    write()


def _figures(engine: Engine, began: datetime, address: str | None) -> dict[str, Any]:
    figures = asdict(engine.view.snapshot())
    figures |= {"began": began.isoformat(timespec="seconds"), "status_page": address}
    if engine.recrawl:
        figures |= {"recrawl": engine.recrawl, "changes": dict.fromkeys(get_args(Change), 0) | dict(engine.changes())}
    if engine.state in ("finished", "stopped"):
        figures["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
    return figures


def _nothing_left(engine: Engine, job: Job, settings: Settings) -> int:
    """Say that there is nothing to do, and what would change that."""
    now = engine.view.snapshot()
    what = f"Recrawl {engine.recrawl} of the job {job.folder}" if engine.recrawl else f"The job {job.folder}"
    if now.queued:
        budget = f"--max-pages={settings.max_pages}"
        text = f"{what} has spent its {budget}; a larger one, or --max-pages=none, goes on"
    else:
        text = f"{what} is finished, with {progress.count(now.pages, 'page')}"
        for budget in ("max_depth", "max_host_pages"):
            if refused := engine.refused().get(budget):
                flag = f"--{budget.replace('_', '-')}"
                text += f"; {flag} refused {progress.count(refused, 'URL')}, and with a larger one it goes on"
    progress.say(sys.stdout, f"{text}; --recrawl looks for changes; --fresh crawls it anew.\n")
    return FINISHED
