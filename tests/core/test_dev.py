import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.cli import reloaded
from core.errors import CoreError, in_one_line


def answer(app: Any) -> tuple[int, str]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_a_tool_that_does_not_start_says_why_and_asks_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIMEZONE", "<b>")
    status, page = answer(reloaded())
    assert status == 503 and "invalid timezone: <b>" in capsys.readouterr().err
    assert "invalid timezone: &lt;b&gt;" in page and 'http-equiv="refresh"' in page


def test_an_error_is_told_with_its_place_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    code = compile("\n{}['x']", str(tmp_path / "app" / "pages.py"), "exec")
    with pytest.raises(KeyError) as caught:
        exec(code)
    assert in_one_line(caught.value, tmp_path) == "app/pages.py:2: KeyError: 'x'"


def test_a_syntax_error_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("def", str(tmp_path / "app" / "pages.py"), "exec")
    assert in_one_line(caught.value, tmp_path).startswith("app/pages.py:1: SyntaxError: ")


def test_an_error_of_ours_is_its_own_sentence() -> None:
    assert in_one_line(CoreError("what to do"), Path("/")) == "what to do"
