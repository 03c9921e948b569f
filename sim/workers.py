"""Processes that compute for a command: they end with it, and at Ctrl-C without a word."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import InvalidStateError, ProcessPoolExecutor
from contextlib import contextmanager


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Keep a pool of processes, spawned: a forked OpenCV may inherit locks of threads that are not there any more.

    At Ctrl-C its workers end at once. A thread of Python's pool may then fail over work that was cancelled (seen in
    3.11), which nobody needs to hear of.
    """
    told = threading.excepthook

    def tell(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not InvalidStateError:
            told(args)

    threading.excepthook = tell
    try:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin) as pool:
            yield pool
    finally:
        threading.excepthook = told


def _begin() -> None:
    """End at Ctrl-C without a traceback, and with a command that was killed, instead of computing for nobody.

    A command in the background of a script goes on at Ctrl-C, and so do its workers.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
