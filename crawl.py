"""The command: `python crawl.py [URL ...] [--flag=value ...]`; `--help` lists the flags."""

import signal
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - here and not later: an older Python cannot even read the other modules
    sys.stderr.write(
        f"Python 3.11 or later is needed, and this is {sys.version.split()[0]}: try python3.11 or `make crawl`\n"
    )
    raise SystemExit(2)

signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, also before the crawl has begun

try:
    from crawler.run import main

    code = main(sys.argv[1:])
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    if missing in {"", "crawler", "parsers", "storage", "benchmarks"} | sys.stdlib_module_names:
        raise
    sys.stderr.write(
        f"{missing} is not installed: run `make setup`, then `.venv/bin/python crawl.py`; or `make crawl`\n"
    )
    code = 2
except KeyboardInterrupt:
    code = 130
raise SystemExit(code)
