"""One writer at a time, in the order of arrival, among all threads and processes of a tool."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from .. import log
from ..errors import Busy, CoreError

WAIT_S = 10.0
_POLL_S = 0.001


class Turnstile:
    """A fair queue of the threads of this process, and two file locks between processes.

    SQLite's own waiting is a poll with growing pauses: a process that writes without a break starves the others. Here
    only the holder of the *gate* may wait for the *seat*: who gives it up finds the gate taken, and the other is first.
    """

    def __init__(self, database: Path, *, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._gate, self._seat = (Path(f"{database}-{name}") for name in ("gate", "seat"))
        self._guard = threading.Lock()
        self.queue: dict[object, threading.Event] = {}  # by who asks; the first has the seat, or goes for it

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Hold the seat; Busy when that takes too long."""
        deadline, turn = time.monotonic() + self._wait_s, threading.Event()
        asker = threading.get_ident(), log.values().get("request_id")  # a thread is at the next before one is settled
        with self._guard:
            if asker in self.queue:
                raise CoreError("a write is open in this thread already; write in that one, or after it")
            self.queue[asker] = turn
            next(iter(self.queue.values())).set()
        try:
            if not turn.wait(self._wait_s):
                raise Busy
            with ExitStack() as held:
                with _locked(self._gate, deadline):
                    held.enter_context(_locked(self._seat, deadline))
                yield
        except BlockingIOError:
            raise Busy from None
        finally:
            with self._guard:
                del self.queue[asker]
                next(iter(self.queue.values()), turn).set()


def insist(once: Callable[[], object], *, unless: type[Exception], deadline: float) -> object:
    """Call a function again and again until it no longer raises an error; at the deadline, the error passes."""
    while True:
        try:
            return once()
        except unless:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_S)


@contextmanager
def _locked(path: Path, deadline: float) -> Iterator[None]:
    """Hold a file's lock; each time a file of its own, so that a forked child shares none."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        insist(partial(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB), unless=BlockingIOError, deadline=deadline)
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)  # a process that was forked meanwhile has the file open still
        os.close(file)
