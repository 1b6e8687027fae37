"""Calls of a slow function, made in threads before the results are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any


class ReadAhead:
    """Calls `read(key)` in threads for announced keys, in order, at most `ahead` in advance."""

    def __init__(self, read: Callable[[int], Any], threads: int, ahead: int = 256):
        self._read, self._ahead = read, ahead
        self._pool = ThreadPoolExecutor(threads)
        self._waiting: deque[int] = deque()
        self._started: deque[tuple[int, Future]] = deque()

    def announce(self, keys: Iterable[int]) -> None:
        """Announce the next keys, after all that were announced before."""
        self._waiting.extend(keys)
        self._start()

    def __call__(self, keys: Iterable[int]) -> list[Any]:
        """The results of these keys, announced or not. Raises what `read` raises."""
        keys = list(keys)
        announced = chain((key for key, _ in self._started), self._waiting)
        if any(key != next(announced, None) for key in keys):
            return list(self._pool.map(self._read, keys))
        results = []
        for _ in keys:
            results.append(self._started.popleft()[1].result())
            self._start()
        return results

    def _start(self) -> None:
        while self._waiting and len(self._started) < self._ahead:
            key = self._waiting.popleft()
            self._started.append((key, self._pool.submit(self._read, key)))
