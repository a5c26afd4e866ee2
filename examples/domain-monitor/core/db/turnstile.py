"""One writer at a time, in the order of arrival, among all threads and processes of a tool."""

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..errors import Busy

WAIT_S = 10.0
_POLL_S = 0.001


class Turnstile:
    """A fair queue of the threads of this process, and two file locks between processes.

    SQLite's own waiting is a poll with growing pauses: a process that writes without a break starves
    the others until they give up. Here only the holder of the *gate* may wait for the *seat*, so
    whoever gives up the seat finds the gate taken and the waiting process goes first.
    """

    def __init__(self, database: Path, *, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._gate, self._seat = (Path(f"{database}-{name}") for name in ("gate", "seat"))
        self._guard = threading.Lock()
        self._queue: deque[threading.Event] = deque()  # the first has its turn
        self._file = -1

    @property
    def is_taken(self) -> bool:
        """Whether a thread of this process has the seat, or waits for it."""
        return bool(self._queue)

    def enter(self) -> None:
        """Take the seat; Busy when that takes too long."""
        deadline, turn = time.monotonic() + self._wait_s, threading.Event()
        with self._guard:
            self._queue.append(turn)
            self._queue[0].set()
        if not turn.wait(self._wait_s):
            with self._guard:
                if not turn.is_set():  # else it came between the time-out and this line
                    self._queue.remove(turn)
                    raise Busy
        try:
            gate = _lock(self._gate, deadline)
            try:
                self._file = _lock(self._seat, deadline)
            finally:
                _unlock(gate)
        except BaseException:
            self._next()
            raise

    def leave(self) -> None:
        """Give the seat to the next."""
        _unlock(self._file)
        self._next()

    def _next(self) -> None:
        with self._guard:
            self._queue.popleft()
            if self._queue:
                self._queue[0].set()


def insist(once: Callable[[], object], *, unless: type[Exception], deadline: float) -> None:
    """Call a function again and again until it no longer raises an error; at the deadline, the error passes."""
    while True:
        try:
            once()
        except unless:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _lock(path: Path, deadline: float) -> int:
    """The open file that holds the lock; each time a file of its own, so that a forked child shares none."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        insist(partial(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB), unless=BlockingIOError, deadline=deadline)
    except BlockingIOError:
        os.close(file)
        raise Busy from None
    return file


def _unlock(file: int) -> None:
    fcntl.flock(file, fcntl.LOCK_UN)  # a process that was forked meanwhile has the file open still
    os.close(file)
