"""Taking an update back: every byte, whatever stopped it and whatever happened since, and never somebody's work."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import AS_ANYBODY, LINES, SECOND, Edit, Git, Pyops, Release, files

ROOT = Path(__file__).parents[2]
RECORD = ".git/pyops-update/whole/state.json"


def branches(project: Path, git: Git) -> str:
    """The branches, and a star before the one that is checked out."""
    return git(project, "branch", "--format=%(HEAD)%(refname:short)")


@pytest.fixture
def committed(update: Pyops, project: Path, release: Release) -> Path:
    """A project whose update is committed on the branch `next`, which is checked out."""
    release("v0.2.0", SECOND)
    assert update("--branch", "next").returncode == 0
    return project


def test_abort_leaves_work_on_another_branch_alone(update: Pyops, committed: Path, git: Git) -> None:
    git(committed, "switch", "-q", "main")
    (committed / "pyproject.toml").write_text("mine")
    done = update("--abort")
    assert (done.returncode, "git branch -D next" in done.stderr) == (4, True)
    assert (committed / "pyproject.toml").read_text() == "mine"


def test_abort_does_not_claim_to_take_back_what_was_merged(update: Pyops, committed: Path, git: Git) -> None:
    git(committed, "switch", "-q", "main")
    git(committed, "merge", "-q", "--ff-only", "next")
    done = update("--abort")
    assert (done.returncode, "git revert" in done.stderr) == (4, True)


def test_abort_leaves_work_on_top_of_the_commit_alone(update: Pyops, committed: Path) -> None:
    (committed / "app/main.py").write_text("mine")
    assert (update("--abort").returncode, (committed / "app/main.py").read_text()) == (4, "mine")


def test_a_commit_by_hand_on_the_branch_is_never_dropped(
    update: Pyops, project: Path, release: Release, edit: Edit, git: Git
) -> None:
    edit({"core/auth.py": "mine\n"})
    release("v0.2.0", SECOND)
    assert update("--branch", "next").returncode == 3
    git(project, "checkout", "--theirs", "core/auth.py")
    git(project, "commit", "-qam", "Decided")
    assert (update("--finish").returncode, update("--abort").returncode) == (0, 4)
    assert branches(project, git).endswith("\n*next")


def test_finish_commits_on_the_updates_branch_only(
    update: Pyops, project: Path, release: Release, edit: Edit, git: Git
) -> None:
    edit({"core/auth.py": "mine\n"})
    release("v0.2.0", SECOND)
    assert update("--branch", "next").returncode == 3
    git(project, "checkout", "--theirs", "core/auth.py")
    git(project, "add", "-A")
    git(project, "switch", "-q", "main")
    done = update("--finish")
    assert (done.returncode, "the branch next" in done.stderr) == (4, True)


def test_a_branch_that_git_cannot_make_beside_another_leaves_everything_as_it_was(
    update: Pyops, project: Path, release: Release, git: Git
) -> None:
    release("v0.2.0", SECOND)
    before = files(project)
    assert update("--branch", "main/next").returncode == 1
    assert (branches(project, git), git(project, "status", "--porcelain"), files(project)) == ("*main", "", before)


def test_hooks_stop_neither_the_commit_nor_the_way_back(
    update: Pyops, project: Path, release: Release, git: Git, write: Callable[..., Path]
) -> None:
    names = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-checkout")
    write(project / ".git/hooks", dict.fromkeys(names, "#!/bin/sh\nexit 1\n"))
    for name in names:
        (project / ".git/hooks" / name).chmod(0o755)
    release("v0.2.0", SECOND)
    assert update("--branch", "next").returncode == 0
    assert update("--abort").returncode == 0
    assert branches(project, git) == "*main"


def test_without_an_identity_a_fallback_signs_the_commit(
    update: Pyops, project: Path, release: Release, git: Git, tmp_path: Path
) -> None:
    release("v0.2.0", SECOND)
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    done = update("--branch", "next")
    assert (done.returncode, "git knows no name for you" in done.stderr) == (0, True)
    assert git(project, "log", "-1", "--format=%ae") == "pyops@localhost"


def test_files_that_the_user_ignores_everywhere_are_committed_too(
    update: Pyops, project: Path, release: Release, git: Git, tmp_path: Path
) -> None:
    (tmp_path / "ignored").write_text("core\n")
    git(project, "config", "core.excludesFile", str(tmp_path / "ignored"))
    release("v0.2.0", SECOND)
    assert update("--branch", "next").returncode == 0
    assert "core/notes.py" in git(project, "ls-files").splitlines()


def test_what_the_tests_leave_lying_about_is_not_committed(pyops: Pyops, tried: Path, edit: Edit, git: Git) -> None:
    edit({"pytest.py": "open('dropping.txt', 'w').write('x')\n"})
    assert pyops("update", "--branch", "next").returncode == 0
    assert git(tried, "status", "--porcelain") == "?? dropping.txt"
    assert "core/__main__.py" in git(tried, "show", "--name-only", "--format=").splitlines()


def test_two_projects_of_one_repository_are_taken_back_each_by_itself(
    update: Pyops, project: Path, release: Release, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release("v0.2.0", SECOND)
    shutil.rmtree(project / ".git")
    one, other = (Path(shutil.copytree(project, tmp_path / "mono" / name)) for name in ("one", "other"))
    git(tmp_path / "mono", "init", "-q", "-b", "main")
    git(tmp_path / "mono", "add", "-A")
    git(tmp_path / "mono", "commit", "-qm", "Begin")
    monkeypatch.chdir(one)
    assert update().returncode == 0
    monkeypatch.chdir(other)
    assert update().returncode == 0
    assert [update("--abort").returncode, os.chdir(one), update("--abort").returncode] == [0, None, 0]
    assert git(tmp_path / "mono", "status", "--porcelain") == ""


def test_a_second_update_waits_for_its_turn(update: Pyops, project: Path, release: Release, git: Git) -> None:
    release("v0.2.0", SECOND)
    with (project / ".git/pyops-update.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = [update(*words) for words in ((), ("--finish",), ("--abort",))]
    assert [(done.returncode, "is at work" in done.stderr) for done in refused] == [(4, True)] * 3
    assert git(project, "status", "--porcelain") == ""


def test_an_update_that_was_killed_while_it_wrote_can_only_be_taken_back(
    update: Pyops, project: Path, release: Release
) -> None:
    release("v0.2.0", SECOND)
    before = files(project)
    assert update().returncode == 0
    record = json.loads((project / RECORD).read_text())
    (project / RECORD).write_text(json.dumps({**record, "is_written": False}))  # as a kill -9 leaves it
    refused = [update(), update("--finish")]
    assert [(done.returncode, "cut off" in done.stderr) for done in refused] == [(4, True)] * 2
    assert (update("--abort").returncode, files(project)) == (0, before)


def test_a_disk_that_refuses_puts_everything_back_in_one_line(project: Path, release: Release, git: Git) -> None:
    release("v0.2.0", SECOND)
    before = files(project)
    (project / "core/migrations/versions").chmod(0o555)  # reached after other files were written
    command = [*AS_ANYBODY, sys.executable, "-m", "pyops_cli", "update", "--no-lock", "--no-tests"]
    done = subprocess.run(
        command, cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    (project / "core/migrations/versions").chmod(0o755)
    assert (done.returncode, done.stderr.count("\n"), "Permission denied" in done.stderr) == (1, 1, True)
    assert (files(project), git(project, "status", "--porcelain")) == (before, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_while_it_is_tried_says_what_is_in_the_tree(
    pyops: Pyops, tried: Path, edit: Edit, number: signal.Signals
) -> None:
    edit({"pytest.py": f"import os, time; os.kill(os.getppid(), {number:d}); time.sleep(9)\n"})
    done = pyops("update")
    assert (done.returncode, "the update is in the tree. Then: pyops update --finish" in done.stderr) == (130, True)
    assert (tried / "core/__main__.py").is_file()


def test_an_update_under_nohup_goes_on_when_its_terminal_is_gone(pyops: Pyops, tried: Path, edit: Edit) -> None:
    edit({"pytest.py": f"import os; os.kill(os.getppid(), {signal.SIGHUP:d})\n"})
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert pyops("update").returncode == 0
    assert (tried / "core/__main__.py").is_file()


def test_a_link_of_the_users_stays_and_the_new_version_is_offered(
    update: Pyops, project: Path, release: Release, git: Git, write: Callable[..., Path]
) -> None:
    write(project, {"docker/Dockerfile": "mine\n"})
    (project / "Dockerfile").unlink()
    (project / "Dockerfile").symlink_to("docker/Dockerfile")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Link")
    release("v0.2.0", SECOND)
    assert update().returncode == 3
    assert (project / "Dockerfile").readlink() == Path("docker/Dockerfile")
    assert (project / "docker/Dockerfile").read_text() == "mine\n"
    git(project, "checkout", "--theirs", "Dockerfile")
    assert "line twenty" in (project / "Dockerfile").read_text() and not (project / "Dockerfile").is_symlink()


def test_the_sides_of_a_conflict_have_the_line_ends_of_the_project(
    update: Pyops, project: Path, release: Release, git: Git
) -> None:
    (project / "core/auth.py").write_bytes(LINES.replace("line 1\n", "mine\n").replace("\n", "\r\n").encode())
    git(project, "commit", "-qam", "Edit on Windows")
    release("v0.2.0", SECOND)
    assert update().returncode == 3
    git(project, "checkout", "--theirs", "core/auth.py")
    assert (project / "core/auth.py").read_bytes().startswith(b"line one\r\nline 2\r\n")
