import fcntl
import threading
import time
from contextlib import ExitStack
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from core import log
from core.db.turnstile import Turnstile
from core.errors import Busy, CoreError
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
        with turnstile.seat():
            order.append(number)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: len(turnstile.queue) == number + 2)  # the one who has the seat is the first
    return thread


def visit(path: Path, line: Any, counts: Any, number: int) -> None:
    """In a process of its own: take the seat again and again, each time for a moment."""
    turnstile = Turnstile(path)
    line.wait(20)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        with turnstile.seat():
            time.sleep(0.002)
        counts[number] += 1


def sit(path: Path, is_seated: Any) -> None:
    """In a process of its own: take the seat and keep it."""
    with Turnstile(path).seat():
        is_seated.set()
        time.sleep(60)


def test_the_seat_is_given_in_the_order_of_asking(path: Path) -> None:
    turnstile, order = Turnstile(path), list[int]()
    with turnstile.seat():
        threads = [queue_up(turnstile, order, number) for number in range(5)]
    join(threads)
    assert order == [0, 1, 2, 3, 4] and not turnstile.queue


def test_threads_enter_one_at_a_time(path: Path) -> None:
    turnstile, inside, most = Turnstile(path), list[int](), list[int]()

    def enter() -> None:
        with turnstile.seat():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.002)
            inside.pop()

    together(*[enter] * 12)
    assert most == [1] * 12


def sit_down(turnstile: Turnstile) -> None:
    with turnstile.seat():
        pass


def test_a_thread_that_waits_too_long_is_told_busy(turnstile: Turnstile) -> None:
    with turnstile.seat(), pytest.raises(Busy) as caught:
        together(lambda: sit_down(turnstile))
    assert caught.value.status == 503 and caught.value.headers == {"Retry-After": "2"}
    sit_down(turnstile)


def test_a_second_write_in_one_thread_is_refused_at_once(turnstile: Turnstile) -> None:
    with turnstile.seat(), pytest.raises(CoreError, match="a write is open in this thread already"):
        sit_down(turnstile)
    sit_down(turnstile)


def test_a_thread_that_is_at_the_next_request_queues_like_any_other(turnstile: Turnstile) -> None:
    with ExitStack() as settled_later:
        with log.context(request_id="first"):
            settled_later.enter_context(turnstile.seat())
        with log.context(request_id="second"), pytest.raises(Busy):
            sit_down(turnstile)
    sit_down(turnstile)


@pytest.mark.parametrize("held", ["gate", "seat"])
def test_busy_between_processes_gives_everything_back(path: Path, turnstile: Turnstile, held: str) -> None:
    with path.with_name(f"app.db-{held}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            sit_down(turnstile)
    sit_down(turnstile)


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
    sit_down(Turnstile(path, wait_s=1))
