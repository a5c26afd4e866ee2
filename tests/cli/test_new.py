"""`pyops new`: a project that appears whole or not at all."""

import functools
import os
import pty
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import copier
import pytest
import yaml

ROOT = Path(__file__).parents[2]

Write = Callable[[Path, dict[str, str]], Path]
Git = Callable[..., str]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]


def answers(project: Path) -> dict[str, str]:
    recorded: dict[str, str] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return recorded


def dependencies(project: Path) -> list[str]:
    listed: list[str] = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    return listed


@pytest.fixture
def new(pyops: Pyops, template: Path) -> Pyops:
    """`pyops new` from the small template, nothing asked."""
    return lambda *arguments: pyops("new", "--template", template, "--defaults", *arguments)


def test_a_new_project_is_a_repository_with_one_clean_commit(new: Pyops, workplace: Path, git: Git) -> None:
    assert new("my-tool").returncode == 0
    assert git(workplace / "my-tool", "log", "--format=%an %s") == "Ada Begin my-tool"
    assert git(workplace / "my-tool", "status", "--porcelain", "--branch") == "## main"


def test_it_says_the_next_two_commands(new: Pyops) -> None:
    assert new("my-tool").stdout == "my-tool is ready. Next:\n  cd my-tool\n  pyops dev\n"


def test_it_leaves_nothing_beside_the_project(new: Pyops, workplace: Path) -> None:
    new("my-tool")
    assert [entry.name for entry in workplace.iterdir()] == ["my-tool"]


def test_answers_come_from_the_folders_name(new: Pyops, workplace: Path) -> None:
    new("my-tool")
    assert answers(workplace / "my-tool")["project_name"] == "my-tool"
    assert answers(workplace / "my-tool")["title"] == "My tool"


def test_data_answers_questions(new: Pyops, workplace: Path) -> None:
    new("my-tool", "--data", "title=Who = what", "--data", "description=Facts.")
    assert (workplace / "my-tool/README.md").read_text() == "# Who = what\n"
    assert answers(workplace / "my-tool")["description"] == "Facts."


def test_a_relative_template_is_recorded_absolute(pyops: Pyops, template: Path, workplace: Path) -> None:
    pyops("new", "my-tool", "--defaults", "--template", os.path.relpath(template))
    assert answers(workplace / "my-tool")["_src_path"] == str(template)


def test_an_empty_folder_is_filled(new: Pyops, workplace: Path) -> None:
    (workplace / "my-tool").mkdir()
    assert new("my-tool").returncode == 0
    assert (workplace / "my-tool/app/main.py").is_file()


def test_the_folder_one_stands_in_is_filled(new: Pyops, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "my-tool").mkdir()
    monkeypatch.chdir(workplace / "my-tool")
    assert new(".").stdout == "my-tool is ready. Next:\n  pyops dev\n"
    assert Path("app/main.py").is_file()
    assert not list(Path().glob(".pyops-*"))


def test_without_git_there_is_no_repository(new: Pyops, workplace: Path) -> None:
    assert "no repository was made" in new("my-tool", "--no-git").stderr
    assert not (workplace / "my-tool/.git").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["My_Tool"], ["My_Tool", "like my-tool"], id="bad-name"),
        pytest.param(["2nd"], ["2nd", "beginning with a letter"], id="name-begins-with-digit"),
        pytest.param(["jinja2"], ["jinja2", "package that the project itself needs"], id="name-of-a-package"),
        pytest.param(["a" * 51], ["at most 50"], id="name-too-long"),
        pytest.param(["gone/my-tool"], ["no folder", "make it first"], id="no-parent-folder"),
        pytest.param(["x", "--data", "colour=red"], ["colour", "asks project_name, title"], id="unknown-question"),
        pytest.param(["x", "--data", "title="], ["title", "1 to 60 characters"], id="bad-answer"),
        pytest.param(["x", "--data", "project_name=X!"], ["project_name", "X!"], id="bad-project-name"),
        pytest.param(["x", "--example", "shoe"], ["shoe", "there are shop"], id="unknown-example"),
        pytest.param(["x", "--ref", "v9"], ["no revision 'v9'", "it has main"], id="unknown-revision"),
        pytest.param(["x", "--ref", "0123abc"], ["no revision '0123abc'"], id="unknown-commit"),
        pytest.param(["x", "--template", "gone"], ["no such folder", "--template"], id="template-missing"),
        pytest.param(["x", "--template", "."], ["git says: not a git repository"], id="template-no-repository"),
        pytest.param(["x", "--template", "https://u:pw@h.invalid/t.git"], ["credentials"], id="template-password"),
        pytest.param(
            ["x", "--template", "https://host.invalid/t.git"],
            ["Cannot reach", "--template"],
            id="unreachable",
        ),
        pytest.param(["x", "--template", "http://127.0.0.1:9/t"], ["Cannot reach"], id="nobody-listens"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    new: Pyops, workplace: Path, arguments: list[str], words: list[str]
) -> None:
    done = new(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pyops: ") and done.stderr.count("\n") == 1
    assert [word for word in words if word not in done.stderr] == []
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_in_the_way_is_left_alone(new: Pyops, workplace: Path, write: Write, kind: str) -> None:
    write(workplace, {"folder/notes.txt": "mine", "file": "mine"})
    (workplace / "link").symlink_to("folder")
    done = new(kind)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert (workplace / "folder/notes.txt").read_text() + (workplace / "file").read_text() == "minemine"


def test_a_folder_inside_a_repository_is_no_template(new: Pyops, template: Path) -> None:
    assert "a repository's root folder" in new("x", "--template", template / "template").stderr


def test_a_project_is_not_made_inside_the_templates_own_checkout(new: Pyops, template: Path, git: Git) -> None:
    done = new(str(template / "my-tool"))
    assert (done.returncode, (template / "my-tool").exists()) == (1, False)
    assert done.stderr == (
        f"pyops: {template} is the template's own repository: make the project outside, as in"
        f" {template.parent / 'my-tool'}.\n"
    )
    assert git(template, "status", "--porcelain") == ""


def test_a_project_is_made_where_the_templates_checkout_ignores_it(new: Pyops, template: Path, write: Write) -> None:
    write(template, {".git/info/exclude": "/demo/\n"})
    assert new(str(template / "demo")).returncode == 0


def test_a_project_is_made_inside_another_repository(new: Pyops, workplace: Path, git: Git) -> None:
    git(workplace, "init", "--quiet")
    (workplace / "tools").mkdir()
    assert new(str(workplace / "tools" / "my-tool")).returncode == 0


def test_no_git_on_path_says_what_to_install(new: Pyops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = new("x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "apt install git" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        pytest.param("template/a.txt.jinja", "{% if %}", "a.txt.jinja:1", id="jinja-syntax"),
        pytest.param("template/a.txt.jinja", "{{ 1 | nosuch }}", "nosuch", id="jinja-filter"),
        pytest.param("template/a.txt.jinja", "{{ a.b.c }}", "undefined", id="jinja-undefined"),
        pytest.param("template/pyproject.toml.jinja", "[", "no usable pyproject.toml", id="toml"),
        pytest.param("copier.yml", "a: [", "copier.yml", id="yaml"),
        pytest.param("copier.yml", "_tasks: [ls]", "run code of its own", id="tasks"),
        pytest.param("copier.yml", "_subdirectory: nosuch", "nosuch", id="no-subdirectory"),
        pytest.param("copier.yml", "_subdirectory: examples", "no PyOps template", id="no-answers-file"),
        pytest.param("copier.yml", "_min_copier_version: '99'", "requires Copier version >= 99", id="newer-copier"),
    ],
)
def test_a_broken_template_is_one_line_and_writes_nothing(
    new: Pyops, template: Path, workplace: Path, write: Write, name: str, text: str, words: str
) -> None:
    write(template, {name: text})
    done = new("x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("arguments", [["new"], ["new", "x", "--data", "title"], ["nosuch"], ["new", "x", "--no"]])
def test_wrong_usage_exits_with_2(pyops: Pyops, arguments: list[str]) -> None:
    assert pyops(*arguments).returncode == 2


def test_without_an_identity_a_fallback_signs_the_first_commit_only(
    new: Pyops, workplace: Path, git: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    assert "the commit is by pyops <pyops@localhost>" in new("x").stderr
    assert git(workplace / "x", "log", "--format=%ae %ce") == "pyops@localhost pyops@localhost"
    assert "pyops" not in (workplace / "x/.git/config").read_text()


def test_commit_hooks_and_signing_of_the_user_cannot_stop_it(new: Pyops, tmp_path: Path, write: Write) -> None:
    names = ("pre-commit", "prepare-commit-msg")
    hooks = write(tmp_path / "hooks", dict.fromkeys(names, "#!/bin/sh\nexit 1\n"))
    for name in names:
        (hooks / name).chmod(0o755)
    with (tmp_path / "gitconfig").open("a") as config:
        config.write(f"[commit]\n\tgpgSign = true\n[core]\n\thooksPath = {hooks}\n")
    assert new("x").returncode == 0


def test_what_the_user_ignores_everywhere_is_in_the_first_commit_too(
    new: Pyops, workplace: Path, git: Git, tmp_path: Path
) -> None:
    (tmp_path / "ignored").write_text("core\n")
    git(tmp_path, "config", "--global", "core.excludesFile", str(tmp_path / "ignored"))
    assert new("x").returncode == 0
    assert "core/__init__.py" in git(workplace / "x", "ls-files").splitlines()


@pytest.mark.parametrize("home", ["spaces and ümläuts", "a 'quoted' $HOME", "{{ brace }}", "-dash"])
def test_the_folder_above_may_have_any_name(
    new: Pyops, workplace: Path, git: Git, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / home).mkdir()
    (workplace / "link").symlink_to(home)
    monkeypatch.chdir(workplace / "link")
    assert new("my-tool").returncode == 0
    assert git(workplace / home / "my-tool", "status", "--porcelain", "--branch") == "## main"


def test_a_folder_that_is_filled_only_in_part_is_emptied_again(
    new: Pyops, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "x").mkdir()
    rename, at = Path.rename, iter(range(99))
    end = functools.partial(os.kill, os.getpid(), signal.SIGTERM)
    monkeypatch.setattr(Path, "rename", lambda entry, to: (end() if next(at) == 3 else None, rename(entry, to)))
    assert (new("x").returncode, list((workplace / "x").iterdir())) == (130, [])


def test_a_surrounding_git_is_not_written_to(
    new: Pyops, workplace: Path, template: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(template / ".git"))
    assert new("x").returncode == 0
    monkeypatch.delenv("GIT_DIR", raising=False)
    assert git(template, "log", "--format=%s") == "Begin"
    assert (workplace / "x/.git").is_dir()


def test_a_checkout_is_rendered_as_it_lies(new: Pyops, template: Path, workplace: Path, write: Write) -> None:
    write(template, {"template/core/__init__.py": "# changed\n", "template/core/added.py": ""})
    done = new("x")
    assert "not all of it is committed" in done.stderr and done.stderr.count("\n") == 1
    assert (workplace / "x/core/__init__.py").read_text() == "# changed\n"
    assert (workplace / "x/core/added.py").exists()


def test_a_project_from_a_draft_can_be_updated_once_it_is_committed(
    new: Pyops, template: Path, workplace: Path, write: Write, git: Git
) -> None:
    write(template, {"template/core/__init__.py": "# changed\n"})
    new("x")
    write(template, {"template/core/added.py": ""})
    git(template, "add", "-A")
    git(template, "commit", "-qm", "Change")
    copier.run_update(workplace / "x", defaults=True, overwrite=True, quiet=True)
    assert git(workplace / "x", "status", "--porcelain") == "M .copier-answers.yml\n?? core/added.py"


def test_a_released_template_goes_without_a_note(new: Pyops, template: Path, workplace: Path, git: Git) -> None:
    git(template, "tag", "stable")  # it moves, so it says nothing
    git(template, "tag", "v0.3.0")
    assert new("x").stderr == ""
    assert answers(workplace / "x")["_commit"] == "v0.3.0"


def test_a_revision_can_be_chosen(new: Pyops, template: Path, workplace: Path, write: Write, git: Git) -> None:
    git(template, "tag", "v0.3.0")
    write(template, {"template/core/added.py": ""})
    assert new("x", "--ref", "v0.3.0").returncode == 0
    assert not (workplace / "x/core/added.py").exists()


def test_an_example_brings_what_is_the_users(new: Pyops, workplace: Path) -> None:
    assert new("my-shop", "--example", "shop").returncode == 0
    assert (workplace / "my-shop/app/main.py").read_text() == "app = 'shop'\n"
    assert (workplace / "my-shop/tests/test_shop.py").exists()
    assert (workplace / "my-shop/migrations/0001_shop.py").exists()
    assert (workplace / "my-shop/compose.override.yaml").exists()
    assert dependencies(workplace / "my-shop") == ["boto3>=1", "humanize"]


def test_the_rest_of_an_examples_project_comes_from_the_template(new: Pyops, workplace: Path) -> None:
    new("my-shop", "--example", "shop")
    assert (workplace / "my-shop/core/__init__.py").read_text() == ""
    assert answers(workplace / "my-shop")["project_name"] == "my-shop"


def test_an_example_leaves_its_ignored_files_behind(new: Pyops, template: Path, workplace: Path, write: Write) -> None:
    write(template, {"examples/shop/app/cache.db": "", "examples/shop/app/draft.py": ""})
    new("my-shop", "--example", "shop")
    assert not (workplace / "my-shop/app/cache.db").exists()
    assert (workplace / "my-shop/app/draft.py").exists()


def test_an_example_comes_from_the_chosen_revision(
    new: Pyops, template: Path, workplace: Path, write: Write, git: Git
) -> None:
    git(template, "tag", "v0.3.0")
    write(template, {"examples/shop/app/main.py": "app = 'later'\n"})
    new("my-shop", "--example", "shop", "--ref", "v0.3.0")
    assert (workplace / "my-shop/app/main.py").read_text() == "app = 'shop'\n"


def test_without_a_terminal_it_says_to_use_the_defaults(pyops_process: Pyops, template: Path, workplace: Path) -> None:
    done = pyops_process("new", "x", "--template", str(template))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "--defaults" in done.stderr
    assert list(workplace.iterdir()) == []


@pytest.fixture
def started(template: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """`pyops new x` as a process in the background."""
    processes = []

    def start(*arguments: str, terminal: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "pyops_cli", "new", "x", "--template", str(template), *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: signal.signal(
                signal.SIGINT, signal.SIG_DFL
            ),  # CI may have been started in the background
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_ctrl_c_at_a_question_leaves_nothing(
    started: Callable[..., "subprocess.Popen[bytes]"], workplace: Path
) -> None:
    screen, terminal = pty.openpty()
    process, shown = started(terminal=terminal), b""
    while b"Name of the project" not in shown:
        shown += os.read(screen, 4096)
    os.write(screen, b"\x03")
    assert process.communicate(timeout=10)[1] == b"pyops: Stopped; nothing was written.\n"
    assert (process.returncode, list(workplace.iterdir())) == (130, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_files_are_written_leaves_nothing(
    started: Callable[..., "subprocess.Popen[bytes]"],
    template: Path,
    workplace: Path,
    write: Write,
    number: signal.Signals,
) -> None:
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    write(template, {"template/late/a.txt.jinja": endless})
    process = started("--defaults")
    while not list(workplace.glob(".pyops-*/x/late")):
        time.sleep(0.01)
    process.send_signal(number)
    assert process.communicate(timeout=10)[1] == b"pyops: Stopped; nothing was written.\n"
    assert (process.returncode, list(workplace.iterdir())) == (130, [])
