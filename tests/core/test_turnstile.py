import fcntl
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from core.db.turnstile import FairLock, Turnstile
from core.errors import Busy
from tests.core.samples import join, start, together


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def turnstile(path: Path) -> Iterator[Turnstile]:
    made = Turnstile(path, wait_s=0.1)
    yield made
    made.close()


def wait_for(condition: Any) -> None:
    """Until a condition holds; an AssertionError after 10 s."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def queue_up(lock: FairLock, order: list[int], number: int) -> threading.Thread:
    """A thread that waits for the lock, behind `number` others, and notes when it got it."""

    def ask() -> None:
        lock.acquire(10)
        order.append(number)
        lock.release()

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: len(lock._waiting) == number + 1)
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


def test_a_fair_lock_is_granted_in_the_order_of_asking() -> None:
    lock, order = FairLock(), list[int]()
    lock.acquire(0)
    threads = [queue_up(lock, order, number) for number in range(5)]
    lock.release()
    join(threads)
    assert order == [0, 1, 2, 3, 4]


def test_a_fair_lock_gives_up_after_its_time_and_leaves_the_queue() -> None:
    lock = FairLock()
    assert lock.acquire(0)
    assert not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0)


def test_a_turn_that_is_granted_at_the_last_moment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = FairLock()
    lock.acquire(0)
    granted = threading.Event()
    granted.set()
    monkeypatch.setattr(granted, "wait", lambda _timeout: False)  # as if it timed out, then was set
    monkeypatch.setattr(threading, "Event", lambda: granted)
    assert lock.acquire(0.01)


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
    turnstile.close()


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
    other = Turnstile(path)
    other.enter()
    gate, seat = other._open()
    blocked = {"gate": gate, "seat": seat}[held]
    fcntl.flock({"gate": seat, "seat": gate}[held], fcntl.LOCK_UN)
    fcntl.flock(blocked, fcntl.LOCK_EX)
    with pytest.raises(Busy):
        turnstile.enter()
    fcntl.flock(blocked, fcntl.LOCK_UN)
    turnstile.enter()
    turnstile.leave()
    other.close()


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
    turnstile.close()


def test_a_closed_turnstile_opens_again(turnstile: Turnstile) -> None:
    turnstile.enter()
    turnstile.leave()
    turnstile.close()
    turnstile.close()
    turnstile.enter()
    turnstile.leave()
