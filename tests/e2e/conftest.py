"""A real browser on a real server: Debian's Chromium, driven by Playwright."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 30
# Without these Chromium looks for its makers' servers.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@dataclass
class Tool:
    """A generated tool that is being served."""

    url: str
    link: str
    folder: Path
    environment: dict[str, str]
    signed_in: dict[str, Any] = field(default_factory=dict)

    def core(self, *arguments: str) -> str:
        """Run `python -m core …` beside it."""
        command = [sys.executable, "-m", "core", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@dataclass
class Seen:
    """What a browser complained about, and whom it asked."""

    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Tool]]:
    """Serve a project on a free port with a data folder of its own; `before` commands run first."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, *before: list[str]) -> Tool:
        data = tmp_path_factory.mktemp("data")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {**os.environ, "DATA_DIR": str(data), "PORT": str(port), "PYTHONPATH": ""}
        for command in before:
            subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, check=True)
        log = data / "server.log"
        with log.open("wb") as file:
            command = [sys.executable, "-m", "core", "serve"]
            processes.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file))
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not (found := re.search(rb"Sign in: (\S+)", log.read_bytes())) or b"running on" not in log.read_bytes():
            assert time.monotonic() < deadline and processes[-1].poll() is None, log.read_text()
            time.sleep(0.05)
        link = found[1].decode()
        return Tool(f"http://127.0.0.1:{port}", link, folder, environment)

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; its absence is a failure in CI, a reason to skip elsewhere."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing = "no Chromium found; install Debian's package chromium"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *QUIET])
        yield browser
        browser.close()


@pytest.fixture
def seen() -> Seen:
    """What the test's browser complains about; a test asserts that it is nothing."""
    return Seen()


@pytest.fixture
def visit(browser: Browser, seen: Seen) -> Iterator[Callable[..., Page]]:
    """Open a page in a fresh context: `visit(tool, "/domains", width=360)`; without a path nobody is signed in."""
    contexts: list[BrowserContext] = []

    def open_page(
        tool: Tool,
        path: str = "",
        *,
        width: int = 1440,
        theme: str = "light",
        role: str = "admin",
        javascript: bool = True,
        locale: str = "en-GB",
    ) -> Page:
        state = sign_in(browser, tool, role) if path else None
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,  # type: ignore[arg-type]
            storage_state=state,
            java_script_enabled=javascript,
            locale=locale,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: note(message, seen))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.hosts.add(urlsplit(request.url).netloc))
        page.set_default_timeout(10_000)
        if path:
            page.goto(tool.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def note(message: ConsoleMessage, seen: Seen) -> None:
    """Keep warnings and errors of the console."""
    if message.type in ("error", "warning"):
        seen.complaints.append(message.text)


def sign_in(browser: Browser, tool: Tool, role: str) -> Any:
    """The browser's state after a sign-in with a role, by a link as the command line gives it; done once."""
    if role not in tool.signed_in:
        command = ["users", "link", role] if role == "admin" else ["users", "add", role, "--role", role]
        page = browser.new_page()
        page.goto(tool.core(*command))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "sign-in" not in url)
        tool.signed_in[role] = page.context.storage_state()
        page.close()
    return tool.signed_in[role]
