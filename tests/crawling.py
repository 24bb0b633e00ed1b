"""The crawler started as a user starts it: `python crawl.py ...` in a process of its own."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Run:
    """A crawl that has ended."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines of pages.jsonl, or of the parts that several processes wrote; each must be whole."""
        return self.series("pages")

    def series(self, name: str) -> list[dict[str, Any]]:
        """The records of a series."""
        parts = sorted([*self.folder.glob(f"{name}.jsonl"), *self.folder.glob(f"{name}-*.jsonl")])
        return [json.loads(line) for path in parts for line in path.read_text().splitlines()]

    @property
    def by_url(self) -> dict[str, dict[str, Any]]:
        """The records by URL, each of which must stand once."""
        records = {record["url"]: record for record in self.records}
        assert len(records) == len(self.records), "a URL has two records"
        return records

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return summary


DEFAULTS = ["--port=off", "--sitemaps=false"]
"""What a crawl is started with, unless the test says something else of it: sitemaps are requests that few expect."""


class Crawl:
    """A crawl that runs. `folder` is its job."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder

    @classmethod
    async def start(cls, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> "Crawl":
        """Start the crawler in the folder `folder.parent`, with `--job=folder` unless a job is named."""
        if not any(argument.startswith("--job") for argument in arguments):
            arguments = (f"--job={folder}", *arguments)
        for default in DEFAULTS:
            if not any(argument.startswith(default.partition("=")[0]) for argument in arguments):
                arguments = (default, *arguments)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "crawl.py"),
            *arguments,
            cwd=folder.parent,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        return cls(process, folder)

    async def end(self) -> Run:
        """Wait for its end."""
        try:
            async with asyncio.timeout(60):
                out, err = await self.process.communicate()
        finally:
            if self.process.returncode is None:
                self.process.kill()
        assert self.process.returncode is not None
        return Run(self.process.returncode, out.decode(), err.decode(), self.folder)


async def crawl(folder: Path, *arguments: str) -> Run:
    """Crawl to the end."""
    return await (await Crawl.start(folder, *arguments)).end()


QUICK = ("--delay=0", "--retries=0")
"""Settings for tests that are not about politeness or patience."""
