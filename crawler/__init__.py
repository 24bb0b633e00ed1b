"""Waterspout, a concurrent web crawler on Tornado. `docs/architecture.md` is the map of this house."""

VERSION = "0.1.0"
