# `make crawl` and `make test` are all one needs. For GNU make 3.81 (macOS) and later, and any POSIX sh.

PYTHON ?= python3
VENV ?= .venv
PEERS = .venv-peers
ARGS = --concurrency=200 --seeds=seeds.txt
TESTS =
PYTEST_ARGS =
LOCK_ARGS =

RUN = $(VENV)/bin/python
INSTALL = -m pip install --quiet --disable-pip-version-check --no-input --require-hashes
LOCK = uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-find-links \
	--no-emit-index-url --no-header

# Tried in turn, but only when nobody has chosen a Python and the usual one is too old.
OTHER_PYTHONS = $(if $(filter python3,$(PYTHON)),python3.13 python3.12 python3.11 python3.14)

# An upgrade of the system's Python leaves a .venv that runs without what was installed in it.
BROKEN := $(shell $(RUN) -c 'import pip' 2>/dev/null || echo broken)

.PHONY: help crawl test check setup bench peers lock clean broken

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

# The words of ARGS are split as a shell would, but a & or ? in a URL has no meaning.
export ARGS
crawl: $(VENV)/.core ## crawl what seeds.txt names; ARGS="https://example.com/ --max-pages=50" crawls something else
	@exec $(RUN) -c 'import os, shlex, sys; \
	    os.execv(sys.executable, [sys.executable, "crawl.py", *shlex.split(os.environ["ARGS"])])'

test: $(VENV)/.dev ## run the tests; TESTS=tests/test_house.py and PYTEST_ARGS="-k name" choose some
	@exec $(RUN) -m pytest $(PYTEST_ARGS) $(TESTS)

check: $(VENV)/.dev ## lint, formatting, strict types
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --check --quiet .
	@$(RUN) -m mypy

setup: $(VENV)/.core ## only make .venv with what a crawl needs
	@echo "Ready. Next: make crawl"

bench: $(VENV)/.core ## measure how many pages a second this machine crawls
	@exec $(RUN) -m benchmarks.throughput

peers: $(PEERS)/.peers ## make .venv-peers with the crawlers that benchmarks compare with
	@echo "Ready. Next: $(RUN) -m benchmarks.frontier --scrapy"

lock: ## write requirements*.txt anew from pyproject.toml; LOCK_ARGS=--upgrade for newer versions
	@command -v uv >/dev/null || { echo "uv is missing: see https://docs.astral.sh/uv/" >&2; exit 2; }
	@$(LOCK) $(LOCK_ARGS) pyproject.toml -o requirements.txt
	@$(LOCK) $(LOCK_ARGS) --extra dev pyproject.toml -o requirements-dev.txt
	@$(LOCK) $(LOCK_ARGS) --group peers -o requirements-peers.txt

clean: ## remove .venv, .venv-peers and all caches; jobs/ stays
	@rm -rf "$(VENV)" $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps .core, .dev and .peers are written last, so an install that was interrupted is done again.
$(VENV)/.core: requirements.txt $(BROKEN)
	@found=; \
	for python in "$(PYTHON)" $(OTHER_PYTHONS); do \
	    version=$$("$$python" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null); \
	    case $$version in 3.1[1-9].* | 3.[2-9][0-9].*) break;; esac; \
	    found=$${found:-$$version}; \
	    python=; \
	done; \
	if [ -z "$$python$$found" ]; then \
	    echo "$(PYTHON) is missing: install Python 3.11 or later (Debian: apt install python3 python3-venv)" >&2; \
	    exit 2; \
	elif [ -z "$$python" ]; then \
	    echo "$(PYTHON) is Python $$found, too old: install 3.11 or later, or name one: make PYTHON=python3.11" >&2; \
	    exit 2; \
	elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python -m venv is missing: apt install python3-venv" >&2; \
	    exit 2; \
	fi; \
	echo "Making $(VENV) with Python $$version"; \
	"$$python" -m venv --clear "$(VENV)" || { rm -rf "$(VENV)"; exit 2; }
	@$(RUN) $(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.core
	@echo "Installing what the tests need"
	@$(RUN) $(INSTALL) -r requirements-dev.txt
	@touch $@

$(PEERS)/.peers: requirements-peers.txt $(VENV)/.core
	@echo "Making $(PEERS)"
	@$(RUN) -m venv --clear $(PEERS) || { rm -rf $(PEERS); exit 2; }
	@$(PEERS)/bin/python $(INSTALL) -r requirements-peers.txt
	@touch $@
