"""What test workers do: functions by name, since another process calls them."""

import os
import time


def card_after(seconds: float) -> tuple[int, str | None]:
    """The worker, and the cards it may use; it is busy for a while, so that others get jobs, too."""
    time.sleep(seconds)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")
