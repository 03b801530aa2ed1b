"""Starting a server: a port for it, and waiting until it answers."""

from __future__ import annotations

import socket
import time


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(attempt: object, error: type[Exception], seconds: float = 30) -> None:
    """Try until there is no such error."""
    end = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except error:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
