"""One writer at a time, in the order of arrival, among all threads and processes of a tool."""

import fcntl
import os
import threading
import time
from collections import deque
from pathlib import Path

from ..errors import Busy

WAIT_S = 10.0
_POLL_S = 0.001


class FairLock:
    """A lock that is granted in the order in which threads asked for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self.is_held = False

    def acquire(self, timeout_s: float) -> bool:
        """Wait for our turn; False when it did not come in time."""
        with self._guard:
            if not self.is_held:
                self.is_held = True
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout_s):
            return True
        with self._guard:
            if turn.is_set():  # granted between the time-out and this line
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        """Hand the lock to whoever has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self.is_held = False


class Turnstile:
    """A FairLock between the threads of this process and two file locks between processes.

    SQLite's own waiting is a poll with growing pauses: a process that writes without a break starves
    the others until they give up. Here only the holder of the *gate* may wait for the *seat*, so
    whoever gives up the seat finds the gate taken and the waiting process goes first.
    """

    def __init__(self, database: Path, *, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._lock = FairLock()
        self._paths = (
            database.with_name(f"{database.name}-gate"),
            database.with_name(f"{database.name}-seat"),
        )
        self._files: tuple[int, int] | None = None
        self._pid = 0

    @property
    def is_taken(self) -> bool:
        """Whether a thread of this process has the seat, or waits for it."""
        return self._lock.is_held

    def enter(self) -> None:
        """Take the seat; Busy when that takes too long."""
        deadline = time.monotonic() + self._wait_s
        if not self._lock.acquire(self._wait_s):
            raise Busy
        try:
            gate, seat = self._open()
            _take(gate, deadline)
            try:
                _take(seat, deadline)
            finally:
                fcntl.flock(gate, fcntl.LOCK_UN)
        except BaseException:
            self._lock.release()
            raise

    def leave(self) -> None:
        """Give the seat to the next."""
        if self._files:
            fcntl.flock(self._files[1], fcntl.LOCK_UN)
        self._lock.release()

    def close(self) -> None:
        """Close the lock files; nobody of this process may hold the seat."""
        if self._files and self._pid == os.getpid():
            for file in self._files:
                os.close(file)
        self._files = None

    def _open(self) -> tuple[int, int]:
        if self._files is None or self._pid != os.getpid():  # a forked child needs locks of its own
            gate, seat = (os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644) for path in self._paths)
            self._files, self._pid = (gate, seat), os.getpid()
        return self._files


def _take(file: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Busy from None
            time.sleep(_POLL_S)
        else:
            return
