"""Threads that share work by worlds; each computes by itself, so what comes out does not depend on their number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch


def workers() -> ThreadPoolExecutor:
    """As many threads as torch may use here and now; inside of each, torch uses just that one."""
    # torch keeps this number for each thread apart: those of the caller stay
    return ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,))
