"""Other crawlers, measured as Waterspout is: each module is run by the Python of `.venv-peers` (`make peers`).

They import no package of Waterspout's own, and of the benchmarks only what needs nothing but Python itself.
"""
