"""Reading pages as other parsers do: a title, all absolute links without fragments. Run by `benchmarks/parse.py`."""

import json
import sys
from typing import Any
from urllib.parse import urldefrag, urljoin

from parsel import Selector
from selectolax.lexbor import LexborHTMLParser

from benchmarks.pages_at_hand import Document, Reader, documents, measure


def _parsel(page: Document) -> Any:
    selector = Selector(body=page.body, encoding="utf-8")
    links = {urldefrag(urljoin(page.url, href)).url for href in selector.css("a::attr(href)").getall()}
    return selector.css("title::text").get(), links


def _selectolax(page: Document) -> Any:
    tree = LexborHTMLParser(page.body)
    hrefs = [href for node in tree.css("a[href]") if (href := node.attributes["href"])]
    return tree.css_first("title"), {urldefrag(urljoin(page.url, href)).url for href in hrefs}


if __name__ == "__main__":
    readers: dict[str, Reader] = {"parsel (Scrapy's), with urljoin": _parsel, "selectolax, with urljoin": _selectolax}
    print(json.dumps(measure(readers, documents(), int(sys.argv[1]))))
