"""What reading a page costs: this crawler's parsers beside lxml alone and, with --peers, beside selectolax and parsel.

Pages of the Python documentation (see corpus.py) of 60 to 140 KB, one after the other in one thread, so that each is
cold in the processor's caches as in a crawl; the median page of the best of several rounds, rounds of all interleaved.
"links" is what each gives: a title and all absolute links, fragments cut, each once; lxml alone only builds the tree.
Figures are processor time; leaves out: threads, which share the work in a crawl.

    python -m benchmarks.parse [--rounds=7] [--peers]        # --peers needs `make peers`
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import lxml.etree

import parsers
from benchmarks.pages_at_hand import Document, Reader, documents, measure
from parsers.asked import MORE_LINKS, Asked
from parsers.facts import FACTS
from parsers.page import Response

ROOT = Path(__file__).resolve().parent.parent
_PEERS = Path(".venv-peers/bin/python")


def _ours(asked: Asked) -> Reader:
    def read(page: Document) -> Any:
        response = Response(page.url, 200, {"content-type": "text/html; charset=utf-8"}, page.body, 0.0)
        return parsers.read(response, asked)

    return read


def _tree(page: Document) -> Any:
    parser = lxml.etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True)
    return lxml.etree.fromstring(page.body, parser)


READERS: dict[str, Reader] = {
    "lxml, the tree alone": _tree,
    "ours, links alone": _ours(Asked(more_links=frozenset())),
    "ours, as usual": _ours(Asked()),
    "ours, with resources and all facts": _ours(Asked(frozenset(MORE_LINKS), resources=True, facts=frozenset(FACTS))),
}


def main() -> None:
    """Measure, and print a table of Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7, help="of which the best counts (default 7)")
    options.add_argument("--peers", action="store_true", help="also selectolax and parsel")
    given = options.parse_args()
    pages = documents()
    figures = measure(READERS, pages, given.rounds)
    if given.peers:
        if not (ROOT / _PEERS).exists():
            sys.exit(f"{_PEERS.parts[0]} is missing, which has other parsers in it: run `make peers`")
        command = [str(ROOT / _PEERS), "-m", "benchmarks.peers.parsers", str(given.rounds)]
        figures |= json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    alone = figures["lxml, the tree alone"]
    size = statistics.mean(len(page.body) for page in pages) / 1000
    print(f"{len(pages)} pages of {size:.0f} KB; Python {sys.version.split()[0]}, lxml {lxml.etree.__version__}\n")
    print("| reader | µs a page | beyond lxml's tree |")
    print("|---|---|---|")
    for name, time_of in figures.items():
        print(f"| {name} | {time_of:,.0f} | {time_of - alone:+,.0f} |")


if __name__ == "__main__":
    main()
