"""Let two processes work in turns, so that whatever else the machine does falls on both alike."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

PRODUCTS = 200


class Turns:
    """A worker that is asked for blocks by lines on standard input, and answers each with its times in JSON.

    Args:
        product: one product of matrices to its end, timed beside each block.
    """

    def __init__(self, product: Callable[[], object]):
        self.product = product
        self.begun: tuple[float, float] | None = None

    def wait(self) -> None:
        """End a block: print its times, and wait for the order for another; exit without one."""
        if self.begun is not None:
            took = {"wall": time.perf_counter() - self.begun[0], "processor": time.process_time() - self.begun[1]}
            start = time.process_time()
            for _ in range(PRODUCTS):
                self.product()
            took["product"] = (time.process_time() - start) / PRODUCTS
            print(json.dumps(took), flush=True)
        else:
            print(json.dumps("ready"), flush=True)
        if not sys.stdin.readline():
            sys.exit()
        self.begun = time.perf_counter(), time.process_time()
