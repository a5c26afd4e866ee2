import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from core import log
from core.settings import Settings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was, for the tests that follow."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[..., str]:
    """What a log with some settings writes of a failure."""

    def write(*, path: str = "/", **options: object) -> str:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stderr", out)
        log.configure(settings.model_copy(update=options))
        secret = "".join(["hunter", "2"])
        try:
            raise ValueError(len(secret))
        except ValueError:
            with log.context(request_id="r-1"):
                structlog.stdlib.get_logger("core.test").exception("it failed", job="tidy", path=path)
                logging.getLogger("other").info("from a library")
        return out.getvalue()

    return write


def test_json_lines_carry_the_event_its_values_and_the_request(written: Callable[..., str]) -> None:
    failure, library = [json.loads(line) for line in written(log_format="json").splitlines()]
    assert failure | {"event": "it failed", "job": "tidy", "request_id": "r-1", "level": "error"} == failure
    assert failure["logger"] == "core.test" and "ValueError: 7" in failure["exception"]
    assert (library["event"], library["logger"], library["request_id"]) == ("from a library", "other", "r-1")


def test_what_is_no_terminal_gets_json(written: Callable[..., str]) -> None:
    assert json.loads(written(log_format="auto").splitlines()[0])["event"] == "it failed"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_shows_no_values(written: Callable[..., str], log_format: str) -> None:
    text = written(log_format=log_format)
    assert "Traceback" in text and "ValueError: 7" in text and "hunter2" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_value_cannot_forge_a_line_or_move_the_cursor(written: Callable[..., str], log_format: str) -> None:
    text = written(log_format=log_format, path="/\x1b[2J\nit is well\x85")
    assert "[2J" in text and not {"\x1b", "\x85"} & set(text)
    assert "\nit is well" not in text


def test_less_than_the_level_is_not_written(written: Callable[..., str]) -> None:
    assert "from a library" not in written(log_level="warning", log_format="text")
