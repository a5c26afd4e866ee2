"""docs/update.md: what it names is there, and its workflows open a pull request with the plan."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from typer.main import get_command

from pyops_cli.main import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/update.md").read_text()
WORKFLOWS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)]

Write = Callable[[Path, dict[str, str]], Path]
Git = Callable[..., str]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]


def options(command: str) -> list[str]:
    """The long options of a command."""
    group: Any = get_command(app)
    return [name for option in group.commands[command].params for name in option.opts if name != "--help"]


@pytest.mark.parametrize("name", options("update"))
def test_every_option_is_named(name: str) -> None:
    assert f"{name}" in TEXT


def test_every_command_in_a_workflow_takes_its_options() -> None:
    used = re.findall(r"^ .*pyops update (--[^|>`\n]*)|^- .*pyops update (--[^|>`\n]*)", TEXT, re.MULTILINE)
    named = {word for words in used for word in " ".join(words).split() if word.startswith("--")}
    assert named and named <= set(options("update"))


@pytest.fixture
def origin(template: Path, tmp_path: Path, pyops: Pyops, write: Write, git: Git, workplace: Path) -> Path:
    """A project of v0.1.0 with its origin, a template with v0.2.0, and a `gh` that notes what it is told."""
    for tag, text in (("v0.1.0", "old\n"), ("v0.2.0", "new\n")):
        write(template, {"template/core/notes.py": text})
        git(template, "add", "-A")
        git(template, "commit", "-qm", tag)
        git(template, "tag", tag)
    assert pyops("new", "my-tool", "--template", template, "--ref", "v0.1.0", "--defaults").returncode == 0
    git(tmp_path, "clone", "-q", "--bare", str(workplace / "my-tool"), "origin.git")
    git(workplace / "my-tool", "remote", "add", "origin", str(tmp_path / "origin.git"))
    gh = '#!/bin/sh\necho "$@" >>"$RUNNER_TEMP/gh"\n[ "$2" != "$GH_FAILS" ]\n'
    python = f'#!/bin/sh\nexec {sys.executable} -m pyops_cli "$@"\n'
    pip = '#!/bin/sh\necho "$@" >>"$RUNNER_TEMP/pip"\n'
    write(tmp_path / "bin", {"gh": gh, "pyops": python, "pip": pip})
    for file in (tmp_path / "bin").iterdir():
        file.chmod(0o755)
    return tmp_path / "origin.git"


def work(project: Path, tmp_path: Path, script: list[str], **env: str) -> int:
    """Do what a workflow does, its lines one after the other as a runner has them; its exit code."""
    env |= {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path), "PYTHONPATH": str(ROOT)}
    env |= {"UV_OFFLINE": "1", "PYOPS": "pyops-kit"}
    lines = "\n".join(script).replace("update --branch", "update --no-tests --branch")
    command = ["bash", "-e", "-o", "pipefail", "-c", lines]
    return subprocess.run(command, cwd=project, env=os.environ | env, check=False).returncode


@pytest.fixture
def on_github(origin: Path, workplace: Path, tmp_path: Path) -> Callable[..., int]:
    """Do every shell step of the GitHub workflow in a clone of its own, as a runner has it."""

    def run(**env: str) -> int:
        place = tmp_path / f"runner-{len(list(tmp_path.glob('runner-*')))}"
        subprocess.run(["git", "clone", "-q", "--depth=1", origin.as_uri(), place], check=True)
        steps = [step["run"] for step in WORKFLOWS[0]["jobs"]["update"]["steps"] if "run" in step]
        return work(place, tmp_path, steps, GITHUB_STEP_SUMMARY=str(tmp_path / "summary"), **env)

    return run


class GitLab(http.server.BaseHTTPRequestHandler):
    """The two questions that the GitLab workflow asks, for those who have the token."""

    open: ClassVar[list[dict[str, int]]] = []
    asked: ClassVar[list[tuple[str, str, dict[str, list[str]]]]] = []

    def do_GET(self) -> None:
        """Which merge requests are open."""
        self.answer(200, self.open)

    def do_POST(self) -> None:
        """Make or change one."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append((self.command, self.path, urllib.parse.parse_qs(body)))
        self.answer(201, {"iid": 7})

    do_PUT = do_POST

    def answer(self, status: int, body: object) -> None:
        """Answer in JSON."""
        self.send_response(status if self.headers["PRIVATE-TOKEN"] == "s3cret" else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def on_gitlab(origin: Path, workplace: Path, tmp_path: Path, git: Git) -> Iterator[Callable[..., int]]:
    """Do the GitLab workflow, against a GitLab on loopback."""
    git(tmp_path, "config", "--global", f"url.{origin.as_uri()}.insteadOf",
        "https://pyops:s3cret@gitlab.invalid/ops/my-tool.git")  # fmt: skip
    (tmp_path / "bin/python").symlink_to(sys.executable)
    GitLab.open, GitLab.asked = [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), GitLab) as server:
        threading.Thread(target=server.serve_forever).start()
        known = {"CI_BUILDS_DIR": str(tmp_path), "CI_SERVER_HOST": "gitlab.invalid", "CI_PROJECT_PATH": "ops/my-tool"}
        known |= {"CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}/api/v4", "CI_PROJECT_ID": "5"}
        known |= {"CI_DEFAULT_BRANCH": "main", "UPDATE_TOKEN": "s3cret"}
        git(workplace / "my-tool", "switch", "-q", "--detach")  # as its runner has it
        script = WORKFLOWS[1]["pyops-update"]["script"]
        yield lambda **env: work(workplace / "my-tool", tmp_path, script, **{**known, **env})
        server.shutdown()


@pytest.mark.parametrize(
    ("fails", "asked"),
    [("nothing", ["pr create --head pyops-update"]), ("create", ["pr create", "pr edit pyops-update --body-file"])],
    ids=["new", "open-already"],
)
def test_the_workflow_opens_a_pull_request_with_the_plan(
    on_github: Callable[..., int], origin: Path, tmp_path: Path, git: Git, fails: str, asked: list[str]
) -> None:
    assert on_github(GH_FAILS=fails) == 0
    assert git(origin, "log", "-1", "--format=%s", "pyops-update") == "Update PyOps from v0.1.0 to v0.2.0"
    said = (tmp_path / "gh").read_text().splitlines()
    assert [line.startswith(words) for line, words in zip(said, asked, strict=True)] == [True] * len(asked)
    assert (tmp_path / "plan.md").read_text().startswith("# Update from v0.1.0 to v0.2.0")
    assert (tmp_path / "pip").read_text() == "install pyops-kit\n"


def test_the_workflow_of_the_next_week_replaces_the_branch(
    on_github: Callable[..., int], origin: Path, template: Path, git: Git
) -> None:
    assert on_github() == 0
    git(template, "commit", "-q", "--allow-empty", "-m", "More")
    git(template, "tag", "v0.3.0")
    assert on_github() == 0
    assert git(origin, "log", "--format=%s", "main..pyops-update") == "Update PyOps from v0.1.0 to v0.3.0"


def test_the_workflow_fails_on_conflicts_and_shows_the_plan(
    on_github: Callable[..., int], origin: Path, workplace: Path, tmp_path: Path, git: Git
) -> None:
    (workplace / "my-tool/core/notes.py").write_text("mine\n")
    git(workplace / "my-tool", "commit", "-qam", "Edit core")
    git(workplace / "my-tool", "push", "-q", "origin", "main")
    assert on_github() == 3
    assert "conflict: `core/notes.py`" in (tmp_path / "summary").read_text()
    assert not (tmp_path / "gh").exists()


def test_the_workflow_ends_quietly_when_nothing_is_newer(
    on_github: Callable[..., int], template: Path, tmp_path: Path, git: Git
) -> None:
    git(template, "tag", "-d", "v0.2.0")
    assert (on_github(), (tmp_path / "gh").exists()) == (0, False)


@pytest.mark.parametrize(
    ("known", "asked"), [([], ("POST", "merge_requests")), ([{"iid": 7}], ("PUT", "merge_requests/7"))]
)
def test_on_gitlab_there_is_one_merge_request_with_the_plan(
    on_gitlab: Callable[..., int], origin: Path, git: Git, known: list[dict[str, int]], asked: tuple[str, str]
) -> None:
    GitLab.open = known
    assert on_gitlab() == 0
    assert git(origin, "log", "-1", "--format=%s", "pyops-update") == "Update PyOps from v0.1.0 to v0.2.0"
    [(method, path, said)] = GitLab.asked
    assert (method, path) == (asked[0], f"/api/v4/projects/5/{asked[1]}")
    assert said["description"][0].startswith("# Update from v0.1.0 to v0.2.0")
    assert (said["source_branch"], said["target_branch"]) == (["pyops-update"], ["main"])


def test_on_gitlab_a_wrong_token_fails_the_job(on_gitlab: Callable[..., int], git: Git, origin: Path) -> None:
    git(origin, "config", "--global", f"url.{origin.as_uri()}.insteadOf",
        "https://pyops:wrong@gitlab.invalid/ops/my-tool.git")  # fmt: skip
    assert on_gitlab(UPDATE_TOKEN="wrong") != 0


def test_the_renovate_rule_is_json_and_leaves_the_groups_alone() -> None:
    [text] = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    [rule] = json.loads(text)["packageRules"]
    assert (rule["matchDepTypes"], rule["enabled"]) == (["dependency-groups"], False)


def test_committed_markers_are_refused(origin: Path, workplace: Path, pyops: Pyops, write: Write, git: Git,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    write(workplace / "my-tool", {"core/notes.py": "<<<<<<< before updating\n=======\n>>>>>>> after updating\n"})
    git(workplace / "my-tool", "commit", "-qam", "A bot's update")
    monkeypatch.chdir(workplace / "my-tool")
    assert pyops("update", "--finish", "--no-tests").returncode == 3
