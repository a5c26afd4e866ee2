"""A real container engine, and generated projects that run on it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.testing import html

ROOT = Path(__file__).resolve().parents[2]
STARTER = "starter"
PROJECTS = [STARTER, *sorted(path.parent.name for path in (ROOT / "examples").glob("*/compose.yaml"))]
STARTS_WITHIN_S = 30
# Set by .ci/run where an engine is to be had: then its absence is a failure.
EXPECTED = "CONTAINER_ENGINE"

# What its maker keeps in the folder, and the image must not hold.
PRIVATE = {
    ".env": """CHECK_TIMEOUT_S=1\nNOTIFY='[{"name": "ops", "url": "json://localhost/it"}]'\nRUNS_KEPT_DAYS=17\n""",
    "app/.env.production": "TOKEN=secret\n",
    "data/app.db": "",
    ".venv/pyvenv.cfg": "",
    "app/__pycache__/old.cpython-39.pyc": "",
}
# A feature as its maker adds one: a long job, and a short one.
SLOW = {
    "app/slow/__init__.py": '''"""Slow: a hundred naps."""

from core import Feature

from . import jobs

feature = Feature(jobs)
''',
    "app/slow/jobs.py": '''"""A long job and a short one."""

import time

from core import Run, job


@job(timeout=60)
def nap(run: Run) -> None:
    """Sleep a hundred times."""
    for _ in run.track(range(100)):
        time.sleep(0.2)


@job(timeout=60)
def greet(run: Run) -> None:
    """Say hello."""
    with run.step("hello") as step:
        step.log("hello, world")
''',
}


def shell(*command: str | Path, cwd: Path = ROOT, check: bool = True, **environment: str) -> str:
    """What a command prints, both streams; an AssertionError with it when the command fails."""
    words = [str(word) for word in command]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **environment}, text=True, check=False, **streams)
    assert done.returncode == 0 or not check, f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}"
    return str(done.stdout)


def write(folder: Path, tree: dict[str, str]) -> None:
    """Write a tree of files."""
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@dataclass
class Tool:
    """A generated project that `docker compose` runs, by a name and on a port of its own."""

    folder: Path
    port: int
    took: dict[str, float] = field(default_factory=dict)
    built: str = ""
    first_log: str = ""
    images: set[str] = field(default_factory=set)
    token: str = ""

    def compose(self, *arguments: str, check: bool = True) -> str:
        """`docker compose …` in the project's folder."""
        environment = {"COMPOSE_PROJECT_NAME": self.folder.name, "PORT": str(self.port)}
        return shell("docker", "compose", *arguments, cwd=self.folder, check=check, **environment)

    def core(self, *arguments: str) -> str:
        """`python -m core …` inside the running container."""
        return self.compose("exec", "-T", "tool", "python", "-m", "core", *arguments).strip()

    def inspect(self, what: str) -> str:
        """A field of the container, as a Go template."""
        return shell("docker", "inspect", "--format", what, self.compose("ps", "-aq", "tool").strip()).strip()

    def ask(self, method: str, path: str, **headers: str) -> httpx2.Response:
        """One request from outside, with the tool's token unless it has headers of its own."""
        known = headers or ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        url = f"http://127.0.0.1:{self.port}"
        with httpx2.Client(base_url=url, headers={"Accept": "text/html", **known}, trust_env=False) as client:
            return client.request(method, path, timeout=10)

    def page(self, path: str) -> str:
        """The HTML of a page."""
        return self.ask("GET", path).text

    def up(self, *options: str) -> None:
        """Start, and wait until it answers."""
        began = time.monotonic()
        self.compose("up", "-d", *options)
        self.images.add(self.inspect("{{.Image}}"))
        wait_for(self._is_ready, within_s=STARTS_WITHIN_S, otherwise=lambda: self.compose("logs", "--no-color"))
        self.took["ready"] = time.monotonic() - began

    def run(self, job: str) -> str:
        """Start a job; the address of its run."""
        return self.ask("POST", f"/-/jobs/{job}/run").headers["location"]

    def state(self, run: str) -> str:
        """What the page of a run says of it: `running`, `succeeded`, …"""
        return html(self.ask("GET", run)).one("#run-state").text

    def wait(self, run: str, state: str, *, within_s: float = 15) -> None:
        """Wait until a run is in a state."""
        wait_for(lambda: self.state(run) == state, within_s=within_s, otherwise=lambda: self.state(run))

    def _is_ready(self) -> bool:
        try:
            return self.ask("GET", "/-/ready").status_code == 200
        except httpx2.HTTPError:
            return False


def wait_for(is_so: Callable[[], bool], *, within_s: float, otherwise: Callable[[], str]) -> None:
    """Wait until something is so; an AssertionError with the reason when it takes too long."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine that answers; where none is expected, its absence is a reason to skip."""
    why = "docker is not installed" if shutil.which("docker") is None else ""
    if not why and (shell("docker", "info", check=False).find("Server Version") < 0):
        why = "the docker engine does not answer"
    if why:
        pytest.fail(why) if os.environ.get(EXPECTED) == "expected" else pytest.skip(f"no container engine: {why}")


@pytest.fixture(scope="session")
def new(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`pyops new`, by a name that nobody else has; with the two jobs and what is private."""

    def make(project: str) -> Path:
        folder = tmp_path_factory.mktemp("projects") / f"{project}-{uuid.uuid4().hex[:8]}"
        options = ["--template", str(ROOT), "--ref", "HEAD", "--defaults"]
        options += [] if project == STARTER else ["--example", project]
        shell(sys.executable, "-m", "pyops_cli", "new", folder, *options, PYTHONPATH=str(ROOT))
        write(folder, SLOW | PRIVATE)
        main = folder / "app/main.py"
        text = main.read_text().replace("from . import ", "from . import slow, ", 1)
        main.write_text(text.replace("features=[", "features=[slow.feature, ", 1))
        return folder

    return make


@pytest.fixture(scope="module", params=PROJECTS)
def tool(engine: None, new: Callable[[str], Path], request: pytest.FixtureRequest) -> Iterator[Tool]:
    """A project, built and running; nothing of it is left behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Tool(new(request.param), port)
    began = time.monotonic()
    try:
        made.built = made.compose("build")
        made.took["build"] = time.monotonic() - began
        made.up()
        made.first_log = made.compose("logs", "--no-color")
        made.token = made.core("token", "create", "--role", "admin")
        yield made
    finally:
        made.compose("down", "--volumes", "--rmi", "local", "--remove-orphans", check=False)
        shell("docker", "rmi", "--force", *made.images, check=False)  # those that a rebuild replaced
