"""What keeps the requests of a Scrapy job: its scheduler with JOBDIR, disk queues and the filter of duplicates.

Measured through `enqueue_request` and `next_request` of the scheduler, with a crawler and an engine as in a crawl; the
engine is never started, so nothing is sent. `default` is Scrapy's own choice of queues: a file a host, last in, first
out, the hosts in turn. `fifo` is one queue for all hosts, first in, first out. A request bears its URL and depth, the
least that a link becomes, and is made while the watch rests. Each part is a process of its own, and ends with the clean
close of the scheduler, which alone makes its queues readable again:

- `crawl` adds requests, then meets known ones. Disk is what lies there at its end, while all of them wait.
- `start` opens what `crawl` has left, as a second process of the job does, and claims from it.

Run by `benchmarks/frontier.py`, which makes the table. A file a host takes more open files than systems allow at first,
so their limit is raised as far as it goes.
"""

import argparse
import json
import resource
from pathlib import Path

from scrapy import Request
from scrapy.core.engine import ExecutionEngine
from scrapy.core.scheduler import Scheduler
from scrapy.crawler import Crawler
from scrapy.settings.default_settings import TWISTED_REACTOR
from scrapy.utils.reactor import install_reactor
from scrapy.utils.test import get_crawler

from benchmarks.growth import FINISHED, PAGE, SAMPLE, Figures, Watch, batches, known, peak, text, url

_LONGEST = 30.0  # seconds of claims: with many hosts some queues are slow

VARIANTS = {
    "default": {},
    "fifo": {
        "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.ScrapyPriorityQueue",
        "SCHEDULER_DISK_QUEUE": "scrapy.squeues.PickleFifoDiskQueue",
    },
}


def made(folder: Path, variant: str) -> Crawler:
    """The crawler of a job, with all that its scheduler asks it for."""
    crawler = get_crawler(settings_dict={"JOBDIR": str(folder), **VARIANTS[variant]})
    crawler.spider = crawler.spidercls.from_crawler(crawler)
    crawler.engine = ExecutionEngine(crawler, lambda _: None)
    return crawler


def opened(crawler: Crawler) -> Scheduler:
    """The scheduler, as the engine makes and opens it: the filter reads what it knows, the queues their state."""
    scheduler = Scheduler.from_crawler(crawler)
    scheduler.open(crawler.spider)
    return scheduler


def requests(urls: list[str]) -> list[Request]:
    return [Request(each, meta={"depth": 1}) for each in urls]


def crawl(folder: Path, size: int, variant: str) -> Figures:
    """Add all requests, then turn known ones away."""
    scheduler = opened(made(folder, variant))
    assert scheduler.enqueue_request(Request("https://seed.example/"))
    assert scheduler.next_request()
    before = peak()
    figures: Figures = {}

    watch = Watch()
    for links in batches(size, PAGE):  # batches of pages mean nothing to it: it takes one request after the other
        new = requests(links)
        with watch:
            added = [scheduler.enqueue_request(request) for request in new]
        assert all(added)
    assert len(scheduler) == size
    figures |= watch.rates("added", size)
    figures["memory"] = peak()
    figures["memory_url"] = (peak() - before) / size

    watch = Watch()
    for links in known(size):
        again = requests(links)
        with watch:
            added = [scheduler.enqueue_request(request) for request in again]
        assert not any(added)
    figures |= watch.rates("known", SAMPLE)
    scheduler.close("finished")
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    figures["disk_url"] = (disk - text(size)) / size
    return figures


def start(folder: Path, size: int, variant: str) -> Figures:
    """Open what `crawl` has left, and claim from it."""
    crawler = made(folder, variant)
    watch = Watch()
    with watch:
        scheduler = opened(crawler)
    figures = {"start": watch.clock, "start_processor": watch.processor, "start_memory": float(peak())}
    assert len(scheduler) == size
    assert not scheduler.enqueue_request(Request(url(size - 1, size)))

    claimed = 0
    watch = Watch()
    while claimed < min(size // 2, SAMPLE) and watch.clock < _LONGEST:
        with watch:
            now = [scheduler.next_request() for _ in range(FINISHED)]
        assert all(now)
        claimed += len(now)
    figures |= watch.rates("claimed", claimed)
    scheduler.close("finished")
    return figures


PARTS = {"crawl": crawl, "start": start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--variant", choices=VARIANTS, default="default")
    parser.add_argument("--sizes", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    install_reactor(TWISTED_REACTOR)
    print(json.dumps(PARTS[arguments.part](arguments.folder, arguments.sizes, arguments.variant)))


if __name__ == "__main__":
    main()
