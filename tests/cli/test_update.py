"""`pyops update`: a plan first, then all of it or nothing, with exit codes that a program can act on."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import LINES, SECOND, Edit, Git, Pyops, Release, Write, files


def planned(pyops: Pyops, *arguments: str) -> dict[str, object]:
    """The plan in JSON."""
    loaded: dict[str, object] = json.loads(pyops("update", "--plan", "--json", *arguments).stdout)
    return loaded


def kinds(pyops: Pyops) -> dict[str, str]:
    """What the plan says of each file."""
    files = planned(pyops)["files"]
    assert isinstance(files, list)
    return {file["path"]: file["kind"] for file in files}


def test_an_untouched_project_becomes_the_new_version(update: Pyops, project: Path, release: Release, git: Git) -> None:
    release("v0.2.0", SECOND)
    assert update().returncode == 0
    assert git(project, "status", "--porcelain").splitlines() == [
        "M .copier-answers.yml",
        " M Dockerfile",
        " M core/auth.py",
        " M core/settings.py",
        " M pyproject.toml",
        "?? core/migrations/versions/0002_email.py",
        "?? core/notes.py",
    ]


def test_it_does_what_plain_copier_does(
    update: Pyops, project: Path, release: Release, edit: Edit, tmp_path: Path
) -> None:
    import copier

    edit({"Dockerfile": LINES.replace("line 1\n", "mine\n"), "app/main.py": "mine"})
    release("v0.2.0", SECOND)
    shutil.copytree(project, tmp_path / "my-tool")
    copier.run_update(tmp_path / "my-tool", defaults=True, overwrite=True, quiet=True)
    assert update().returncode == 0
    assert files(project) == files(tmp_path / "my-tool")


def test_the_plan_says_what_happens_to_each_file_and_writes_nothing(
    pyops: Pyops, project: Path, release: Release, edit: Edit, git: Git
) -> None:
    mine = LINES.replace("line 1\n", "mine\n")
    edit({"core/auth.py": mine, "Dockerfile": mine, "core/old.py": "mine\n", "app/main.py": "mine\n"})
    release(
        "v0.2.0", SECOND, gone=("template/core/old.py",), moved=("template/core/health.py", "template/core/well.py")
    )
    assert kinds(pyops) == {
        ".copier-answers.yml": "updated",
        "Dockerfile": "merged",
        "core/auth.py": "conflict",
        "core/migrations/versions/0002_email.py": "new",
        "core/notes.py": "new",
        "core/old.py": "your edit would be deleted",
        "core/settings.py": "updated",
        "core/well.py": "moved",
        "pyproject.toml": "updated",
    }
    assert (pyops("update", "--plan").returncode, git(project, "status", "--porcelain")) == (3, "")


def test_the_plan_tells_the_news(pyops: Pyops, project: Path, release: Release) -> None:
    release("v0.2.0", SECOND)
    plan = planned(pyops)
    assert (plan["from"], plan["to"], plan["conflicts"]) == ("v0.1.0", "v0.2.0", False)
    assert plan["must"] == ["Rename SESSION_DAYS to SIGN_IN_DAYS."]
    assert plan["settings"] == {"new": ["SIGN_IN_DAYS"], "gone": ["SESSION_DAYS"]}
    assert plan["migrations"] == ["0002_email"]
    assert plan["dependencies"] == {"new": ["anyio"], "changed": ["jinja2>=4"], "gone": []}


def test_the_plan_in_words_begins_with_what_one_must_do(pyops: Pyops, project: Path, release: Release) -> None:
    release("v0.2.0", SECOND)
    text = pyops("update", "--plan").stdout
    assert text.startswith(
        "# Update from v0.1.0 to v0.2.0\n\n## You must\n\n- **Rename SESSION_DAYS to SIGN_IN_DAYS.**"
    )
    assert "- The first." not in text


def test_an_edit_moves_with_its_file(update: Pyops, project: Path, release: Release, edit: Edit) -> None:
    edit({"core/health.py": (project / "core/health.py").read_text().replace("health 9\n", "mine\n")})
    release("v0.2.0", SECOND, moved=("template/core/health.py", "template/core/well.py"))
    assert update().returncode == 0
    assert "mine\n" in (project / "core/well.py").read_text()
    assert not (project / "core/health.py").exists()


def test_an_edit_of_a_removed_file_stays_until_somebody_decides(
    update: Pyops, project: Path, release: Release, edit: Edit, git: Git
) -> None:
    edit({"core/old.py": "mine\n"})
    release("v0.2.0", SECOND, gone=("template/core/old.py",))
    assert update().returncode == 3
    assert (project / "core/old.py").read_text() == "mine\n"
    assert "UD core/old.py" in git(project, "status", "--porcelain")


def test_conflicts_are_decided_and_finished(
    update: Pyops, project: Path, release: Release, edit: Edit, git: Git
) -> None:
    edit({"core/auth.py": LINES.replace("line 1\n", "mine\n")})
    release("v0.2.0", SECOND)
    assert update().returncode == 3
    assert (
        (project / "core/auth.py").read_text().startswith("<<<<<<< HEAD\nmine\n=======\nline one\n>>>>>>> pyops-v0.2.0")
    )
    assert update("--finish").returncode == 3
    git(project, "checkout", "--theirs", "core/auth.py")
    git(project, "add", "core/auth.py")
    assert update("--finish").returncode == 0


@pytest.mark.parametrize("left", [{"core/auth.py.rej": "x"}, {"core/auth.py": "<<<<<<< ours\n=======\n>>>>>>> x\n"}])
def test_finish_sees_what_plain_copier_left(update: Pyops, project: Path, write: Write, left: dict[str, str]) -> None:
    write(project, left)
    done = update("--finish")
    assert (done.returncode, next(iter(left)) in done.stdout) == (3, True)


def test_abort_brings_back_every_byte(update: Pyops, project: Path, release: Release, edit: Edit, git: Git) -> None:
    edit({"core/auth.py": "mine\n", "core/old.py": "mine\n", ".gitignore": "*.log\n"})
    (project / "kept.log").write_text("ignored")
    before = files(project)
    release("v0.2.0", SECOND, gone=("template/core/old.py", "template/compose.yaml"))
    assert update().returncode == 3
    assert update("--abort").returncode == 0
    assert (files(project), git(project, "status", "--porcelain")) == (before, "")


def test_a_branch_holds_the_update_as_one_commit_that_abort_takes_back(
    update: Pyops, project: Path, release: Release, git: Git
) -> None:
    release("v0.2.0", SECOND)
    assert update("--branch", "pyops-update").returncode == 0
    assert git(project, "log", "--format=%s", "main..pyops-update") == "Update PyOps from v0.1.0 to v0.2.0"
    assert git(project, "status", "--porcelain", "--branch") == "## pyops-update"
    assert update("--abort").returncode == 0
    assert git(project, "branch", "--format=%(refname:short)") == "main"


@pytest.mark.parametrize("name", ["main", "no..name", "--force"])
def test_a_branch_that_cannot_be_made_stops_before_anything_is_written(
    update: Pyops, project: Path, release: Release, git: Git, name: str
) -> None:
    release("v0.2.0", SECOND)
    assert update(f"--branch={name}").returncode == 4
    assert git(project, "status", "--porcelain", "--branch") == "## main"


def test_conflicts_on_a_branch_are_committed_when_finished(
    update: Pyops, project: Path, release: Release, edit: Edit, git: Git
) -> None:
    edit({"core/auth.py": "mine\n"})
    release("v0.2.0", SECOND)
    assert update("--branch", "next").returncode == 3
    git(project, "checkout", "--theirs", "core/auth.py")
    git(project, "add", "core/auth.py")
    assert update("--finish").returncode == 0
    assert git(project, "status", "--porcelain", "--branch") == "## next"
    assert git(project, "log", "--format=%s", "main..next") == "Update PyOps from v0.1.0 to v0.2.0"


def test_what_stops_it_while_it_writes_puts_everything_back(
    update: Pyops,
    project: Path,
    release: Release,
    edit: Edit,
    git: Git,
) -> None:
    edit({"core/auth.py": "mine\n", "core/notes.py": "mine\n"})
    release("v0.2.0", SECOND)
    before = files(project)
    git(project, "config", "filter.broken.clean", "exit 1")  # so that git cannot take in a side of the conflict
    git(project, "config", "filter.broken.required", "true")
    (project / ".git/info").mkdir(exist_ok=True)
    (project / ".git/info/attributes").write_text("core/notes.py filter=broken\n")
    done = update()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert (files(project), git(project, "diff", "--cached", "--name-only")) == (before, "")


def test_abort_has_nothing_to_take_back_without_an_update(update: Pyops, project: Path) -> None:
    assert update("--abort").returncode == 4


def test_abort_leaves_later_commits_alone(update: Pyops, project: Path, release: Release, git: Git) -> None:
    release("v0.2.0", SECOND)
    update()
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Update")
    done = update("--abort")
    assert (done.returncode, "commits since the update" in done.stderr) == (4, True)


def test_there_is_nothing_to_do_at_the_newest_version(update: Pyops, project: Path) -> None:
    done = update()
    assert (done.returncode, done.stdout) == (0, "The project is of v0.1.0; there is nothing newer.\n")


def test_check_says_whether_there_is_more(update: Pyops, project: Path, release: Release) -> None:
    release("v0.2.0", SECOND)
    assert update("--check").stdout == "v0.2.0 is there; the project is of v0.1.0.\n"
    assert json.loads(update("--check", "--json").stdout)["update"] is True


def test_a_pre_release_is_taken_only_when_asked_for(update: Pyops, project: Path, release: Release) -> None:
    release("v0.2.0rc1", SECOND)
    assert "nothing newer" in update("--plan").stdout
    assert "to v0.2.0rc1" in update("--plan", "--pre").stdout


def test_a_project_of_a_pre_release_goes_on_to_the_final_one(
    update: Pyops, project: Path, release: Release, git: Git
) -> None:
    release("v0.2.0rc1", SECOND)
    update("--pre")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Update")
    assert "nothing newer" in update("--plan").stdout
    release("v0.2.0", {"template/core/notes.py": "final\n"})
    assert update().returncode == 0
    assert (project / "core/notes.py").read_text() == "final\n"


def test_an_older_version_is_refused(update: Pyops, project: Path, release: Release, git: Git) -> None:
    release("v0.2.0", SECOND)
    update()
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Update")
    done = update("--to", "v0.1.0")
    assert (done.returncode, "migrations go forward only" in done.stderr) == (4, True)


def test_uncommitted_work_is_refused(update: Pyops, project: Path, release: Release, write: Write) -> None:
    release("v0.2.0", SECOND)
    write(project, {"app/notes.py": "mine"})
    done = update()
    assert (done.returncode, done.stderr) == (
        4,
        "pyops: There is uncommitted work: commit or stash it first (app/notes.py).\n",
    )


def test_an_unfinished_update_says_how_to_go_on(update: Pyops, project: Path, release: Release, edit: Edit) -> None:
    edit({"core/auth.py": "mine\n"})
    release("v0.2.0", SECOND)
    update()
    done = update()
    assert (done.returncode, "--finish or --abort" in done.stderr) == (4, True)


def test_a_project_outside_git_is_refused(update: Pyops, project: Path) -> None:
    shutil.rmtree(project / ".git")
    assert update().returncode == 4


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param(None, "is gone", id="gone"),
        pytest.param("<<<<<<< HEAD\n_commit: v1\n=======\n", "is damaged", id="markers"),
        pytest.param("just words\n", "is damaged", id="no-mapping"),
        pytest.param("title: x\n_src_path: /t\n", "says no _commit", id="no-commit"),
        pytest.param("_src_path: ../..\n_commit: v1\n", "whole address", id="relative"),
        pytest.param("_src_path: ext::sh -c id\n_commit: v1\n", "whole address", id="program"),
        pytest.param("_src_path: --upload-pack=id\n_commit: v1\n", "whole address", id="option"),
        pytest.param("_src_path: https://u:p4ss@h/t\n_commit: v1\n", "holds credentials", id="password"),
        pytest.param("_src_path: TEMPLATE\n_commit: --output=/x\n", "no longer has --output", id="revision"),
    ],
)
def test_a_damaged_answers_file_is_refused(
    update: Pyops, project: Path, template: Path, git: Git, text: str | None, word: str
) -> None:
    answers = project / ".copier-answers.yml"
    answers.unlink() if text is None else answers.write_text(text.replace("TEMPLATE", str(template)))
    git(project, "commit", "-qam", "Damage")
    done = update()
    assert (done.returncode, word in done.stderr, done.stderr.count("\n")) == (4, True, 1)
    assert "p4ss" not in done.stderr


def test_a_vanished_tag_is_one_sentence(update: Pyops, project: Path, template: Path, git: Git) -> None:
    git(template, "tag", "-d", "v0.1.0")
    done = update()
    assert (done.returncode, "no longer has v0.1.0" in done.stderr, done.stderr.count("\n")) == (4, True, 1)


def test_a_moved_template_is_followed_and_recorded(
    update: Pyops, project: Path, template: Path, release: Release, tmp_path: Path
) -> None:
    release("v0.2.0", SECOND)
    template.rename(tmp_path / "elsewhere")
    assert "no longer at" in update().stderr
    assert update("--template", str(tmp_path / "elsewhere")).returncode == 0
    assert yaml.safe_load((project / ".copier-answers.yml").read_text())["_src_path"] == str(tmp_path / "elsewhere")


def test_no_network_is_one_sentence(update: Pyops, project: Path, git: Git) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text("_commit: v0.1.0\n_src_path: http://127.0.0.1:9/tool.git\n")
    git(project, "commit", "-qam", "Move")
    done = update()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Cannot read the template http://127.0.0.1:9/tool.git" in done.stderr


def test_a_project_in_a_monorepo_and_a_shallow_clone_are_updated(
    update: Pyops, project: Path, release: Release, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release("v0.2.0", SECOND)
    shutil.rmtree(project / ".git")
    shutil.copytree(project, tmp_path / "mono/tools/my-tool")
    (tmp_path / "mono/tools/my-tool/core/auth.py").write_text("mine\n")
    git(tmp_path / "mono", "init", "-q", "-b", "main")
    git(tmp_path / "mono", "add", "-A")
    git(tmp_path / "mono", "commit", "-qm", "Begin")
    git(tmp_path, "clone", "-q", "--depth=1", (tmp_path / "mono").as_uri(), "shallow")
    (tmp_path / "shallow/dirt").write_text("elsewhere in the repository")
    monkeypatch.chdir(tmp_path / "shallow/tools/my-tool")
    assert update().returncode == 3
    assert "UU tools/my-tool/core/auth.py" in git(tmp_path / "shallow", "status", "--porcelain")
    assert update("--abort").returncode == 0
    assert git(tmp_path / "shallow", "status", "--porcelain") == "?? dirt"


def test_windows_line_ends_stay_and_merge(update: Pyops, project: Path, release: Release, git: Git) -> None:
    mine = LINES.replace("line 1\n", "mine\n").replace("\n", "\r\n")
    (project / "Dockerfile").write_bytes(mine.encode())
    git(project, "commit", "-qam", "Edit on Windows")
    release("v0.2.0", SECOND)
    assert update().returncode == 0
    assert (project / "Dockerfile").read_bytes() == mine.replace("line 20", "line twenty").encode()


def test_the_version_is_recorded_not_a_tag_that_moves(
    update: Pyops, project: Path, release: Release, template: Path, git: Git
) -> None:
    release("v0.2.0", SECOND)
    git(template, "tag", "stable")
    assert update().returncode == 0
    assert yaml.safe_load((project / ".copier-answers.yml").read_text())["_commit"] == "v0.2.0"


def test_a_commit_between_releases_is_recorded_by_itself(
    update: Pyops, project: Path, release: Release, template: Path, git: Git
) -> None:
    release("stable", SECOND)
    assert update("--to", "main").returncode == 0
    recorded = yaml.safe_load((project / ".copier-answers.yml").read_text())["_commit"]
    assert recorded == git(template, "rev-parse", "--short", "main")


def test_an_answer_that_the_new_version_refuses_is_named_with_its_file(
    update: Pyops, project: Path, release: Release, git: Git
) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("title: My tool", "title: ''"))
    git(project, "commit", "-qam", "No title")
    release("v0.2.0", SECOND)
    assert update().stderr == "pyops: .copier-answers.yml, title: The title is one line of 1 to 60 characters.\n"


def test_what_the_user_deleted_stays_deleted(update: Pyops, project: Path, release: Release, git: Git) -> None:
    git(project, "rm", "-q", "Dockerfile")
    git(project, "commit", "-qm", "No container")
    release("v0.2.0", SECOND)
    done = update()
    assert (done.returncode, "stays deleted: `Dockerfile`" in done.stdout) == (0, True)
    assert not (project / "Dockerfile").exists()


@pytest.mark.parametrize("mine", ["core", "core/notes.py/mine.txt"])
def test_a_file_where_a_folder_is_needed_is_refused(
    update: Pyops, project: Path, release: Release, git: Git, mine: str, tmp_path: Path
) -> None:
    release("v0.2.0", SECOND)
    if mine == "core":
        (project / "core").rename(tmp_path / "core")
        (project / "core").symlink_to(tmp_path / "core")
    else:
        (project / mine).parent.mkdir()
        (project / mine).write_text("mine")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Odd")
    assert update().returncode == 4
    assert git(project, "status", "--porcelain") == ""


def test_same_named_new_files_conflict_unless_they_agree(
    update: Pyops, project: Path, release: Release, edit: Edit, git: Git
) -> None:
    edit({"core/notes.py": "mine\n", "core/migrations/versions/0002_email.py": ""})
    release("v0.2.0", SECOND)
    assert update().returncode == 3
    assert [line for line in git(project, "status", "--porcelain").splitlines() if line.startswith("A")] == [
        "AA core/notes.py"
    ]


# ---- Over the network.


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(template: Path, tmp_path: Path, git: Git) -> Iterator[Callable[[], str]]:
    """Put the small template, as it is now, on a server; its address."""

    def publish() -> str:
        shutil.rmtree(tmp_path / "served", ignore_errors=True)
        git(tmp_path, "clone", "-q", "--mirror", str(template), "served/tool.git")
        git(tmp_path / "served/tool.git", "update-server-info")
        return f"http://127.0.0.1:{server.server_port}/tool.git"

    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield publish
        server.shutdown()


@pytest.mark.parametrize("words", [(), ("--to", "dragon")], ids=["newest-tag", "branch"])
def test_a_template_over_the_network_is_fetched(
    update: Pyops,
    project: Path,
    release: Release,
    template: Path,
    served: Callable[[], str],
    git: Git,
    words: tuple[str, ...],
) -> None:
    git(template, "checkout", "-qb", "dragon")
    release("v0.2.0", SECOND)
    git(template, "checkout", "-q", "main")
    address = served()
    text = (project / ".copier-answers.yml").read_text()
    (project / ".copier-answers.yml").write_text(text.replace(str(template), address))
    git(project, "commit", "-qam", "Move to the network")
    done = update(*words)
    assert (done.returncode, done.stderr) == (0, "")
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert (answers["_commit"], answers["_src_path"]) == ("v0.2.0", address)


# ---- The trial: lock, a copy of the database, the project's tests.


def test_a_clean_update_is_tried(pyops: Pyops, tried: Path) -> None:
    done = pyops("update")
    assert (done.returncode, "Look at git diff, then commit." in done.stdout) == (0, True)
    assert (tried / "asked").read_text().startswith("sqlite:////tmp/")


def test_failing_tests_have_an_exit_code_and_leave_the_update(pyops: Pyops, tried: Path, edit: Edit) -> None:
    edit({"pytest.py": "print('FAILED test_x'); raise SystemExit(1)\n"})
    done = pyops("update")
    assert (done.returncode, "FAILED test_x" in done.stderr, "--abort" in done.stdout) == (5, True, True)
    edit({"pytest.py": "print('mended')\n"})
    assert pyops("update", "--finish").returncode == 0


def test_a_migration_that_fails_on_the_copy_has_the_same_exit_code(pyops: Pyops, tried: Path, edit: Edit) -> None:
    edit({"core/broken": ""})
    done = pyops("update")
    assert (done.returncode, "copy of the database cannot be migrated" in done.stderr) == (5, True)


def test_a_database_that_cannot_be_copied_is_a_notice(pyops: Pyops, tried: Path) -> None:
    (tried / "data/app.db").write_text("no database" * 100)
    done = pyops("update")
    assert (done.returncode, "file is not a database" in done.stderr) == (0, True)


def test_a_lock_that_cannot_be_made_is_a_notice(pyops: Pyops, tried: Path, edit: Edit) -> None:
    text = (tried / "pyproject.toml").read_text()
    edit({"pyproject.toml": text.replace("[]", '["nobody-has-this==1"]'), "uv.lock": "version = 1\n"})
    done = pyops("update")
    assert (done.returncode, "uv.lock is as it was" in done.stderr, "not installed" in done.stderr) == (0, True, True)
