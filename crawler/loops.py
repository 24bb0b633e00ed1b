"""Which event loop everything runs on."""

import asyncio
from collections.abc import Callable


def factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop; None for asyncio's own."""
    try:
        import uvloop
    except ImportError:  # it has no wheel for every platform; asyncio's own loop does as well, only slower
        return None
    return uvloop.new_event_loop
