import fcntl
import threading
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from core.db.turnstile import Turnstile
from core.errors import Busy
from tests.core.samples import join, start, together, wait_for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def turnstile(path: Path) -> Turnstile:
    return Turnstile(path, wait_s=0.1)


def queue_up(turnstile: Turnstile, order: list[int], number: int) -> threading.Thread:
    """A thread that waits for the seat, behind `number` others, and notes when it got it."""

    def ask() -> None:
        turnstile.enter()
        order.append(number)
        turnstile.leave()

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: len(turnstile._queue) == number + 2)  # the one who has the seat is the first
    return thread


def visit(path: Path, line: Any, counts: Any, number: int) -> None:
    """In a process of its own: take the seat again and again, each time for a moment."""
    turnstile = Turnstile(path)
    line.wait(20)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        turnstile.enter()
        time.sleep(0.002)
        turnstile.leave()
        counts[number] += 1


def sit(path: Path, is_seated: Any) -> None:
    """In a process of its own: take the seat and keep it."""
    Turnstile(path).enter()
    is_seated.set()
    time.sleep(60)


def test_the_seat_is_given_in_the_order_of_asking(path: Path) -> None:
    turnstile, order = Turnstile(path), list[int]()
    turnstile.enter()
    threads = [queue_up(turnstile, order, number) for number in range(5)]
    assert turnstile.is_taken
    turnstile.leave()
    join(threads)
    assert order == [0, 1, 2, 3, 4] and not turnstile.is_taken


def test_a_turn_that_is_granted_at_the_last_moment_is_taken(
    turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted = threading.Event()
    monkeypatch.setattr(granted, "wait", lambda _timeout: False)  # as if it timed out, then was set
    monkeypatch.setattr(threading, "Event", lambda: granted)
    turnstile.enter()
    turnstile.leave()


def test_threads_enter_one_at_a_time(path: Path) -> None:
    turnstile, inside, most = Turnstile(path), list[int](), list[int]()

    def enter() -> None:
        turnstile.enter()
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.002)
        inside.pop()
        turnstile.leave()

    together(*[enter] * 12)
    assert most == [1] * 12


def test_a_thread_that_waits_too_long_is_told_busy(turnstile: Turnstile) -> None:
    turnstile.enter()
    with pytest.raises(Busy) as caught:
        turnstile.enter()
    assert caught.value.status == 503 and caught.value.headers == {"Retry-After": "2"}
    turnstile.leave()
    turnstile.enter()
    turnstile.leave()


@pytest.mark.parametrize("held", ["gate", "seat"])
def test_busy_between_processes_gives_everything_back(path: Path, turnstile: Turnstile, held: str) -> None:
    with path.with_name(f"app.db-{held}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            turnstile.enter()
    turnstile.enter()
    turnstile.leave()


def test_a_process_in_a_tight_loop_starves_no_other(path: Path, processes: ForkServerContext) -> None:
    counts, line = processes.Array("i", 3), processes.Barrier(3)
    visitors = [processes.Process(target=visit, args=(path, line, counts, n)) for n in range(3)]
    start(visitors)
    join(visitors)
    assert min(counts[:]) > 0.5 * max(counts[:]) > 20


def test_a_killed_process_leaves_the_seat(path: Path, processes: ForkServerContext) -> None:
    is_seated = processes.Event()
    process = processes.Process(target=sit, args=(path, is_seated))
    process.start()
    assert is_seated.wait(10)
    process.kill()
    process.join()
    turnstile = Turnstile(path, wait_s=1)
    turnstile.enter()
    turnstile.leave()
