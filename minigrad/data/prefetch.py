"""Running an iterator ahead in a background thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

__all__ = ["prefetched"]

T = TypeVar("T")


class _Failure(NamedTuple):
    error: BaseException


class _End(NamedTuple):
    """The iterator is exhausted."""


def prefetched(source: Iterator[T], depth: int) -> Iterator[T]:
    """Yield what ``source`` yields, computed up to ``depth`` items ahead by a thread.

    The thread starts at the first item and has ended when this iterator is exhausted, closed,
    or dropped: nothing is left behind by a loop that breaks or raises.

    Parameters
    ----------
    source : iterator
    depth : int, >= 1
        Items that may be ready and not yet taken.

    Yields
    ------
    object
        The items of ``source``. An exception of ``source`` is raised here, in its place.
    """
    ready: SimpleQueue[T | _Failure | _End] = SimpleQueue()
    slots = threading.Semaphore(depth)
    stop = threading.Event()

    def work() -> None:
        try:
            while True:
                slots.acquire()
                if stop.is_set():
                    return
                try:
                    item = next(source)
                except StopIteration:
                    ready.put(_End())
                    return
                ready.put(item)
        except BaseException as error:  # whatever it is belongs to the consumer
            ready.put(_Failure(error))

    thread = threading.Thread(target=work, name="minigrad-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                return
            if isinstance(item, _Failure):
                raise item.error
            slots.release()
            yield item
    finally:
        stop.set()
        slots.release()  # wakes the thread if it waits for a slot
        thread.join()
