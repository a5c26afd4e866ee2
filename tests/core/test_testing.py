"""What core gives to tests: other servers, a clock, and the messages that would go out."""

from collections.abc import Callable, Iterator

import pytest

from core import DB, Finding, Run, alert, now, time, today
from core.alerts import Message
from core.http import Client, HttpError
from core.testing import Outside, Ran

HEALTH = "https://shop.example.com/health"


@alert(every="1h")
def disks() -> Iterator[Finding]:
    """A disk is nearly full."""
    yield Finding("db1", "93 % full")


def ask(db: DB, run: Run) -> None:
    """Ask a server that the test says nothing of."""
    with run.step("ask"):
        get("/nowhere")


async def wait(run: Run) -> None:
    """Work as a coroutine."""
    run.log("awaited")


def tell_the_day(run: Run) -> None:
    """Write today's date into the log."""
    run.log(str(today()))


def test_a_job_that_is_a_coroutine_is_awaited(run_job: Callable[..., Ran]) -> None:
    assert run_job(wait).log == ["info: awaited"]


def get(path: str = "/health") -> str:
    reply = Client("https://shop.example.com").get(path)
    return f"{reply.status} {reply.text}"


@pytest.mark.parametrize(
    ("said", "got"), [(204, "204 "), ("up", "200 up"), ({"up": True}, '200 {"up": true}'), ((502, "down"), "502 down")]
)
def test_another_server_answers_what_the_test_says(said: object, got: str, outside: Outside) -> None:
    outside[HEALTH] = said
    assert get() == got


def test_a_method_and_a_query_can_be_told_apart(outside: Outside) -> None:
    outside |= {"POST https://shop.example.com/health": 201, f"{HEALTH}?deep=1": "deep"}
    assert Client("https://shop.example.com").post("/health").status == 201
    assert get("/health?deep=1") == "200 deep"


def test_another_server_may_fail(outside: Outside) -> None:
    outside[HEALTH] = HttpError("it cannot be reached", reason="unreachable", again=True)
    with pytest.raises(HttpError, match="cannot be reached"):
        get()


def test_an_address_that_the_test_does_not_name_is_not_asked(outside: Outside) -> None:
    with pytest.raises(AssertionError, match=r"outside\['https://shop.example.com/nowhere'\] = 200"):
        get("/nowhere")


@pytest.mark.usefixtures("outside")
def test_a_step_that_asks_such_an_address_has_failed(run_job: Callable[..., Ran]) -> None:
    assert run_job(ask).failures == 1


def test_what_an_alert_finds_is_sent(run_job: Callable[..., Ran], sent: Callable[[], list[Message]]) -> None:
    assert run_job(disks).log == ["info: 1 wrong now; 1 new"]
    assert ["A disk is nearly full. (1 new)" in message.title for message in sent()] == [True]


Clock = Callable[[str], None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2027-03-15", "2027-03-15T00:00:00+00:00"),
        ("2027-03-15 08:30", "2027-03-15T08:30:00+00:00"),
        ("2027-03-15T01:00+02:00", "2027-03-14T23:00:00+00:00"),
    ],
)
def test_a_test_says_what_time_it_is(text: str, said: str, clock: Clock) -> None:
    clock(text)
    assert (now().isoformat(), str(today())) == (said, said[:10])


@pytest.fixture
def going_on() -> Iterator[None]:
    """The clock goes on when a test has ended."""
    yield
    assert time.frozen is None and now() < now()


def test_the_clock_goes_on_when_the_test_has_ended(going_on: None, clock: Clock) -> None:
    clock("2027-03-15")
    assert now() == now()


def test_a_job_reads_the_tests_clock(run_job: Callable[..., Ran], clock: Clock) -> None:
    clock("2027-03-15")
    assert run_job(tell_the_day).log == ["info: 2027-03-15"]


def test_rows_are_written_at_that_time(
    clock: Clock, run_job: Callable[..., Ran], sent: Callable[[], list[Message]]
) -> None:
    clock("2027-03-15")
    run_job(disks)
    assert [message.created_at for message in sent()] == [now()]


def test_nothing_is_sent_where_nothing_happened(sent: Callable[[], list[Message]]) -> None:
    assert sent() == []
