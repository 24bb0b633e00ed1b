"""A process of the crew: `python -m crawler.crew NUMBER DESCRIPTOR`; started by the first process alone."""

import sys

from crawler.crew.member import main

main(int(sys.argv[-1]))  # its number is there for those who list processes
