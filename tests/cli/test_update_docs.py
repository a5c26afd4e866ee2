"""docs/update.md: what it names is there, and its workflow opens a pull request with the plan."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    gh = '#!/bin/sh\necho "$@" >>"$RUNNER_TEMP/gh"\n'
    python = f'#!/bin/sh\nexec {sys.executable} -m pyops_cli "$@" $EXTRA\n'
    write(tmp_path / "bin", {"gh": gh, "pyops": python})
    for file in (tmp_path / "bin").iterdir():
        file.chmod(0o755)
    return tmp_path / "origin.git"


def work(project: Path, tmp_path: Path) -> int:
    """Do what the GitHub workflow does; its exit code."""
    script = WORKFLOWS[0]["jobs"]["update"]["steps"][-1]["run"]
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path), "PYTHONPATH": str(ROOT)}
    env |= {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "UV_OFFLINE": "1"}
    command = ["bash", "-e", "-o", "pipefail", "-c", script.replace("update --branch", "update --no-tests --branch")]
    return subprocess.run(command, cwd=project, env=os.environ | env, check=False).returncode


def test_the_workflow_opens_a_pull_request_with_the_plan(
    origin: Path, workplace: Path, tmp_path: Path, git: Git
) -> None:
    assert work(workplace / "my-tool", tmp_path) == 0
    assert git(origin, "log", "-1", "--format=%s", "pyops-update") == "Update PyOps from v0.1.0 to v0.2.0"
    assert (tmp_path / "gh").read_text().startswith("pr create --head pyops-update")
    assert (tmp_path / "plan.md").read_text().startswith("# Update from v0.1.0 to v0.2.0")


def test_the_workflow_fails_on_conflicts_and_shows_the_plan(
    origin: Path, workplace: Path, tmp_path: Path, git: Git
) -> None:
    (workplace / "my-tool/core/notes.py").write_text("mine\n")
    git(workplace / "my-tool", "commit", "-qam", "Edit core")
    assert work(workplace / "my-tool", tmp_path) == 3
    assert "conflict: `core/notes.py`" in (tmp_path / "summary").read_text()
    assert not (tmp_path / "gh").exists()


def test_committed_markers_are_refused(origin: Path, workplace: Path, pyops: Pyops, write: Write, git: Git,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    write(workplace / "my-tool", {"core/notes.py": "<<<<<<< before updating\n=======\n>>>>>>> after updating\n"})
    git(workplace / "my-tool", "commit", "-qam", "A bot's update")
    monkeypatch.chdir(workplace / "my-tool")
    assert pyops("update", "--finish", "--no-tests").returncode == 3
