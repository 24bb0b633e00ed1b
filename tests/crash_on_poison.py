"""The crawler, whose crew crashes on pages with a certain title, as it would on one that breaks a C library."""

import os
import sys

from crawler.crew import member, post
from crawler.run import main
from parsers import html
from parsers.discovery import Finds
from parsers.page import Page, Response

TITLE = "deadly nightshade"

if __name__ == "__main__":
    if sys.argv[1] != "in-crew":
        post.PROGRAM = ("-P", "-m", "tests.crash_on_poison", "in-crew")
        sys.exit(main(sys.argv[1:]))
    parse = html.parse

    def crash(response: Response, finds: Finds) -> Page:
        if TITLE.encode() in response.body:
            os.abort()
        return parse(response, finds)

    html.parse = crash
    member.main(int(sys.argv[-1]))
