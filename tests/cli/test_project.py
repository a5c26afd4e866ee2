"""`pyops dev`, `test` and `run` inside a generated project."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[Path, dict[str, str]], Path]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[2]

# Stands where core and pytest would: it says how it was run, and ends as it is told.
ECHO = """\
import json, os, sys
names = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PATH")
env = {name: os.getenv(name) for name in names}
print(json.dumps({"args": sys.argv[1:], "prefix": sys.prefix, "cwd": os.getcwd(), "env": env}))
sys.exit(int(os.getenv("END_WITH", "0")))
"""
PYPROJECT = """\
[project]
name = "tool"
version = "1"
requires-python = ">=3.11"
dependencies = []
"""


@pytest.fixture
def project(workplace: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that needs no package, and no way to a package index."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    return write(
        workplace,
        {
            ".copier-answers.yml": "_commit: v1\n",
            "pyproject.toml": PYPROJECT,
            "core/__init__.py": "",
            "core/__main__.py": ECHO,
            "pytest.py": ECHO,
            "app/hosts/pages.py": "",
        },
    )


def test_dev_runs_core_in_the_projects_own_environment(pyops_process: Pyops, project: Path) -> None:
    ran = json.loads(pyops_process("dev", "--host", "::1", "--port", "8123", "--quiet").stdout)
    assert ran["args"] == ["dev", "--host=::1", "--port=8123", "--quiet"]
    assert (ran["prefix"], ran["cwd"]) == (str(project / ".venv"), str(project))


def test_the_first_run_says_so_and_writes_the_lock(pyops_process: Pyops, project: Path) -> None:
    assert "Installing what place needs" in pyops_process("dev").stderr
    assert (project / "uv.lock").is_file()


def test_the_second_run_says_nothing(pyops_process: Pyops, project: Path) -> None:
    pyops_process("dev")
    assert pyops_process("dev").stderr == ""


def test_run_passes_everything_on_from_a_folder_below(
    pyops_process: Pyops, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "app/hosts")
    ran = json.loads(pyops_process("run", "--", "jobs", "--help", "-x").stdout)
    assert (ran["args"], ran["cwd"]) == (["jobs", "--help", "-x"], str(project))


def test_test_passes_everything_on_to_pytest(pyops_process: Pyops, project: Path) -> None:
    assert json.loads(pyops_process("test", "-k", "not slow", "-x", "app").stdout)["args"] == [
        "-k",
        "not slow",
        "-x",
        "app",
    ]


def test_exit_codes_pass_through(pyops_process: Pyops, project: Path) -> None:
    assert pyops_process("test", END_WITH="5").returncode == 5


def test_another_environment_does_not_leak_in(pyops_process: Pyops, project: Path, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    ran = json.loads(pyops_process("run", VIRTUAL_ENV=other, UV_PROJECT_ENVIRONMENT=other).stdout)
    assert ran["env"]["VIRTUAL_ENV"] == str(project / ".venv")
    assert ran["env"]["UV_PROJECT_ENVIRONMENT"] is None
    assert ran["env"]["PATH"].startswith(str(project / ".venv/bin"))
    assert not (tmp_path / "other").exists()


def test_a_project_whose_core_is_gone_says_how_it_comes_back(pyops_process: Pyops, project: Path, write: Write) -> None:
    write(project, {"pyproject.toml": f"{PYPROJECT}[tool.pyops]\n"})
    shutil.rmtree(project / "core")
    done = pyops_process("dev")
    assert (done.returncode, done.stderr) == (
        1,
        "pyops: core/ is gone: bring it back with git, or with: pyops core restore\n",
    )


def test_outside_a_project_it_says_where_to_go(pyops_process: Pyops) -> None:
    done = pyops_process("dev")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pyops new my-tool" in done.stderr


def test_what_was_installed_still_runs_when_the_index_is_out_of_reach(
    pyops_process: Pyops, project: Path, write: Write
) -> None:
    pyops_process("dev")
    write(project, {"pyproject.toml": PYPROJECT.replace("[]", '["nobody-has-this==1"]')})
    done = pyops_process("run")
    assert (done.returncode, json.loads(done.stdout)["args"]) == (0, [])
    assert done.stderr.endswith("pyops: uv could not install what is new; going on with what is installed.\n")


def test_a_first_installation_that_fails_runs_nothing(pyops_process: Pyops, project: Path, write: Write) -> None:
    write(project, {"pyproject.toml": PYPROJECT.replace("[]", '["nobody-has-this==1"]')})
    assert (pyops_process("dev").returncode, pyops_process("dev").stdout) == (1, "")
    assert "put that right and run this again" in pyops_process("dev").stderr


@pytest.mark.parametrize("command", [["dev"], ["run", "--", "routes"], ["test"], ["add", "feature", "x"]])
def test_ctrl_c_while_something_is_imported_ends_without_a_traceback(
    project: Path, write: Write, command: list[str]
) -> None:
    slow = "import time\nprint('importing', flush=True)\ntime.sleep(30)\n"
    write(project, {"core/__init__.py": slow, "pytest.py": slow, "click.py": slow})
    started = subprocess.Popen(
        [sys.executable, "-m", "pyops_cli", *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None and started.stdout.readline() == "importing\n"
    started.send_signal(signal.SIGINT)
    assert ("Traceback" in started.communicate(timeout=20)[1], started.returncode) == (False, -signal.SIGINT)


def test_the_help_of_add_is_the_projects_own(pyops_process: Pyops, project: Path, write: Write) -> None:
    write(project, {"click.py": "import sys\nsys.exit(str(sys.argv[1:]))\n"})
    assert "['add', '--help']" in pyops_process("add", "--help").stderr


def test_dev_says_which_settings_it_does_not_know(pyops_process: Pyops, project: Path, write: Write) -> None:
    write(project, {".env": "TOOLNAME=x\n", "core/settings.py": "class Settings:\n    tool_name: str = ''\n"})
    assert "pyops: TOOLNAME in .env is no setting of this version: write TOOL_NAME" in pyops_process("dev").stderr
