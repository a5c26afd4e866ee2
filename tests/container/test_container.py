"""`docker compose up` in generated projects, on a real engine and over HTTP."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.container.conftest import STARTER, STARTS_WITHIN_S, Tool, shell, wait_for, write

pytestmark = [pytest.mark.container, pytest.mark.network]
only_the_starter = pytest.mark.parametrize("tool", [STARTER], indirect=True)
HEALTHY_WITHIN_S = 15
REBUILT_WITHIN_S = 15
STOPPED_WITHIN_S = 10
LEASE_S = 20  # after which a run that nobody watches is dead: core.scheduler.Scheduler.lease
FETCH = "import sys, urllib.request as u; print(u.urlopen('http://127.0.0.1:8000' + sys.argv[1]).read().decode())"


@pytest.fixture
def image(tool: Tool) -> str:
    """The image of a tool."""
    return tool.inspect("{{.Image}}")


@pytest.fixture
def docker(engine: None) -> Iterator[Callable[..., str]]:
    """`docker run -d …`; the container's name. It is removed at the end."""
    started: list[str] = []

    def run(*arguments: str) -> str:
        started.append(shell("docker", "run", "--detach", *arguments).strip())
        return started[-1]

    yield run
    for name in started:
        shell("docker", "rm", "--force", "--volumes", name)


def test_the_engine_calls_it_healthy_in_seconds(tool: Tool) -> None:
    began = time.monotonic()
    wait_for(
        lambda: tool.inspect("{{.State.Health.Status}}") == "healthy",
        within_s=HEALTHY_WITHIN_S,
        otherwise=lambda: tool.inspect("{{json .State.Health}}"),
    )
    print(f"built in {tool.took['build']:.1f} s, healthy after {time.monotonic() - began:.1f} s")


def test_the_first_log_has_a_link_that_signs_in(tool: Tool) -> None:
    [(port, path)] = re.findall(r"Sign in: http://localhost:(\d+)(\S+)", tool.first_log)
    signed_in = tool.ask("POST", path, **{"Sec-Fetch-Site": "same-origin"})
    assert (int(port), signed_in.status_code) == (tool.port, 303)
    assert "session" in signed_in.headers["set-cookie"]


def test_it_is_nobody_in_particular_and_writes_to_its_volume_only(tool: Tool) -> None:
    script = (
        "id -u; for place in /tool /tool/app /usr /data; do touch $place/x 2>/dev/null && echo $place; done; rm /data/x"
    )
    assert tool.compose("exec", "-T", "tool", "sh", "-c", script).split() == ["10001", "/data"]
    assert tool.inspect("{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}") == "volume /data"


def test_the_image_holds_no_secret_no_history_and_no_development_tool(tool: Tool) -> None:
    listed = tool.compose("exec", "-T", "tool", "find", "/tool", "-not", "-path", "*/.venv/*").splitlines()
    names = {Path(name).name for name in listed}
    assert names & {".git", ".env", ".env.production", "data", "compose.yaml", "old.cpython-39.pyc"} == set()
    installed = tool.compose("exec", "-T", "tool", "ls", "/tool/.venv/lib/python3.13/site-packages").split()
    assert {"fastapi", "pytest", "mypy"} & set(installed) == {"fastapi"}


def test_what_env_sets_is_what_the_tool_runs_with(tool: Tool) -> None:
    lines = {line.split()[0]: line for line in tool.core("settings").splitlines()}
    assert ("name='ops'" in lines["NOTIFY"], lines["RUNS_KEPT_DAYS"].split()[1]) == (True, "17")


def test_a_job_runs_to_its_end(tool: Tool) -> None:
    run = tool.run("slow.greet")
    tool.wait(run, "succeeded")
    assert "hello, world" in tool.page(run)


def test_a_stop_is_quick_in_order_and_marks_the_run(tool: Tool) -> None:
    run = tool.run("slow.nap")
    tool.wait(run, "running")
    began = time.monotonic()
    tool.compose("stop")
    took = time.monotonic() - began
    assert (took < STOPPED_WITHIN_S, tool.inspect("{{.State.ExitCode}}")) == (True, "0"), took
    tool.up()
    assert tool.state(run) == "interrupted"
    assert "the server stopped" in tool.page(run)
    print(f"stopped in {took:.1f} s, ready again in {tool.took['ready']:.1f} s")


@only_the_starter
def test_a_kill_in_the_middle_of_a_run_is_noticed_after_the_lease(tool: Tool) -> None:
    run = tool.run("slow.nap")
    tool.wait(run, "running")
    tool.compose("kill", "-s", "SIGKILL")
    tool.up()
    assert tool.state(run) == "running"
    tool.wait(run, "interrupted", within_s=LEASE_S + 10)
    tool.wait(tool.run("slow.greet"), "succeeded")


def test_data_outlives_down_and_up(tool: Tool) -> None:
    tool.core("users", "add", "grace")
    tool.compose("down")
    tool.up()
    assert "grace" in tool.core("users", "list")
    assert tool.ask("GET", "/-/jobs").status_code == 200  # the token too


def test_a_change_of_code_rebuilds_in_seconds(tool: Tool) -> None:
    jobs = tool.folder / "app/slow/jobs.py"
    jobs.write_text(jobs.read_text().replace("Say hello.", "Say good day."))
    began = time.monotonic()
    tool.up("--build")
    took = time.monotonic() - began
    assert "Say good day." in tool.page("/-/jobs")
    assert took < REBUILT_WITHIN_S
    print(f"a change of code: {took:.1f} s")


@only_the_starter
def test_it_needs_no_network(image: str, docker: Callable[..., str]) -> None:
    name = docker("--network", "none", "--read-only", "--tmpfs", "/tmp", image)
    wait_for(
        lambda: "running on" in shell("docker", "logs", name),
        within_s=STARTS_WITHIN_S,
        otherwise=lambda: shell("docker", "logs", name),
    )
    ready = shell("docker", "exec", name, "python", "-c", FETCH, "/-/ready")
    page = shell("docker", "exec", name, "python", "-c", FETCH, "/-/sign-in")
    assert '"ok"' in ready and "/-/static/core.css" in page


@only_the_starter
def test_a_folder_of_roots_is_refused_with_the_line_that_mends_it(image: str, tmp_path: Path) -> None:
    mount = ("--rm", "--volume", f"{tmp_path}:/data", image, "python", "-m", "core", "migrate")
    tmp_path.chmod(0o755)
    said = shell("docker", "run", *mount, check=False).splitlines()
    assert said == [
        "error: /data cannot be written (Permission denied); give it to this user: chown -R 10001 /data"
        " (in a container: the host's folder mounted there)"
    ]
    shutil.chown(tmp_path, 10001)
    assert "core: 0001" in shell("docker", "run", *mount)


@only_the_starter
def test_a_database_of_roots_is_refused_too(image: str, tmp_path: Path) -> None:
    shutil.chown(tmp_path, 10001)
    (tmp_path / "app.db").touch(0o644)
    mount = ("--rm", "--volume", f"{tmp_path}:/data", image, "python", "-m", "core", "migrate")
    said = shell("docker", "run", *mount, check=False)
    assert said.startswith("error: /data cannot be written (app.db belongs to another user); give it")


@only_the_starter
def test_without_a_lock_the_build_warns(tool: Tool) -> None:
    assert "WARNING: no uv.lock: commit the one that the first 'pyops dev' writes" in tool.built


@pytest.fixture(scope="module")
def locked(engine: None, new: Callable[[str], Path]) -> Path:
    """A project with a lock that names an older version than the index has."""
    folder = new(STARTER)
    uv = [sys.executable, "-m", "uv", "lock", "--quiet"]
    shell(*uv, "--upgrade-package", "mako==1.3.9", cwd=folder)
    return folder


def test_a_build_installs_what_the_lock_says(locked: Path) -> None:
    image = shell("docker", "build", "--quiet", locked).strip().splitlines()[-1]
    version = "import importlib.metadata as m; print(m.version('mako'))"
    try:
        assert shell("docker", "run", "--rm", image, "python", "-c", version).strip() == "1.3.9"
    finally:
        shell("docker", "rmi", "--force", image)


def test_a_build_refuses_a_lock_that_is_out_of_date(locked: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(locked, tmp_path / "stale")
    pyproject = (folder / "pyproject.toml").read_text()
    write(folder, {"pyproject.toml": pyproject.replace("\ndependencies = []", '\ndependencies = ["idna"]')})
    command = ["docker", "build", "--target", "builder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "needs to be updated" in done.stderr
