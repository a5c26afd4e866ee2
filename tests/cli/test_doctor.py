"""`pyops doctor` finds what is wrong and says how to mend it; `pyops core restore` is one of the ways."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pyops_cli import doctor
from tests.cli.conftest import AS_ANYBODY, ROOT

Write = Callable[[Path, dict[str, str]], Path]
Git = Callable[..., str]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]
Found = Callable[[], dict[str, str]]

CORE = {
    "template/core/time.py": "now\n",
    "template/core/static/core.css": "a {}\n",
    "template/core/settings.py": "class Channel(BaseModel):\n    name: str\n"
    "class Settings:\n    session_days: int = 14\n    port: int = 8000\n",
    "template/core/migrations/versions/0001_first.py": 'revision = "0001"\ndown_revision = None\n',
    "template/core/migrations/versions/0002_more.py": 'revision = "0002"\ndown_revision = "0001"\n',
    "template/app/settings.py": "import core\n\n\nclass Settings(core.Settings):\n    limit: int = 3\n",
    "template/.gitignore": "/data/\n/.env\n.venv/\n",
}


@pytest.fixture
def project(
    template: Path, write: Write, git: Git, pyops: Pyops, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project of v0.1.0, where one stands in it."""
    write(template, CORE)
    git(template, "add", "-A")
    git(template, "commit", "-qm", "Core")
    git(template, "tag", "v0.1.0")
    assert pyops("new", "my-tool", "--template", template, "--ref", "v0.1.0", "--defaults").returncode == 0
    for name in ("PORT", "HOST", "DATA_DIR", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORT", "0")
    monkeypatch.chdir(workplace / "my-tool")
    return workplace / "my-tool"


@pytest.fixture
def found(pyops: Pyops) -> Found:
    """What the doctor finds wrong: the text of each check's findings."""

    def examine() -> dict[str, str]:
        findings = json.loads(pyops("doctor", "--json").stdout)["findings"]
        wrong = [each for each in findings if each["level"] != "ok" and each["check"] != "lock"]
        return {each["check"]: f"{each['level']}: {each['text']} → {each['fix']}" for each in wrong}

    return examine


def database(project: Path, **at: str) -> None:
    """A database whose version tables say so."""
    (project / "data").mkdir()
    with closing(sqlite3.connect(project / "data/app.db")) as opened, opened:
        for table, revision in at.items():
            opened.execute(f"CREATE TABLE {table} (version_num)")
            opened.execute(f"INSERT INTO {table} VALUES (?)", (revision,))


def test_a_healthy_project_has_exit_code_0(pyops: Pyops, project: Path, found: Found) -> None:
    done = pyops("doctor")
    assert (done.returncode, found()) == (0, {})
    assert "ok    version   v0.1.0" in done.stdout


def test_an_edit_in_core_is_shown_with_the_way_out(pyops: Pyops, project: Path, found: Found) -> None:
    (project / "core/static/core.css").write_text("b {}\n")
    assert found() == {
        "core": "fail: core/static/core.css is edited → put your own files into app/static/; "
        "then: pyops core restore core/static/core.css"
    }
    done = pyops("doctor")
    assert (done.returncode, "-a {}" in done.stdout, "+b {}" in done.stdout) == (1, True, True)


def test_windows_line_ends_are_no_edit(project: Path, found: Found) -> None:
    (project / "core/time.py").write_bytes(b"now\r\n")
    assert found() == {}


def test_a_core_that_is_gone_is_one_finding_and_comes_back(pyops: Pyops, project: Path, git: Git, found: Found) -> None:
    shutil.rmtree(project / "core")
    assert found() == {"core": "fail: core/ is gone → pyops core restore"}
    assert pyops("core", "restore").returncode == 0
    assert git(project, "status", "--porcelain") == ""


def test_restore_does_not_write_through_a_link(pyops: Pyops, project: Path, git: Git, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine\n")
    (project / "core/time.py").unlink()
    (project / "core/time.py").symlink_to(tmp_path / "elsewhere")
    git(project, "commit", "-qam", "Link")
    assert pyops("core", "restore").stdout == "restored core/time.py\n"
    assert ((tmp_path / "elsewhere").read_text(), (project / "core/time.py").read_text()) == ("mine\n", "now\n")


def test_a_missing_and_an_added_file_of_core_are_found(pyops: Pyops, project: Path) -> None:
    (project / "core/time.py").rename(project / "core/mine.py")
    said = pyops("doctor").stdout
    assert ("core/time.py is missing" in said, "core/mine.py is no file of this version" in said) == (True, True)


def test_restore_brings_core_back(pyops: Pyops, project: Path, git: Git) -> None:
    (project / "core/time.py").write_text("mine\n")
    git(project, "commit", "-qam", "Edit core")
    (project / "core/static/core.css").unlink()
    assert pyops("core", "restore").stdout == "restored core/static/core.css\nrestored core/time.py\n"
    assert (project / "core/time.py").read_text() == "now\n"
    assert pyops("core", "restore").stdout == "core/ is as its version has it.\n"


def test_restore_takes_one_file(pyops: Pyops, project: Path) -> None:
    (project / "core/time.py").unlink()
    (project / "core/static/core.css").unlink()
    assert pyops("core", "restore", "core/time.py").stdout == "restored core/time.py\n"
    assert not (project / "core/static/core.css").exists()


def test_restore_keeps_what_is_in_no_commit_as_a_patch(pyops: Pyops, project: Path, git: Git) -> None:
    (project / "core/time.py").write_text("mine\n")
    done = pyops("core", "restore", "core/time.py")
    assert (done.stdout, (project / "core/time.py").read_text()) == ("restored core/time.py\n", "now\n")
    assert git(project, "status", "--porcelain") == ""
    git(project, "apply", done.stderr.split()[-1])
    assert (project / "core/time.py").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("app/main.py", "no file of core"),
        ("core/mine.py", "v0.1.0 has no core/mine.py"),
    ],
)
def test_restore_overwrites_nothing_that_git_does_not_keep(pyops: Pyops, project: Path, name: str, word: str) -> None:
    (project / name).write_text("mine\n")
    done = pyops("core", "restore", name)
    assert (done.returncode, word in done.stderr, (project / name).read_text()) == (4, True, "mine\n")


@pytest.mark.parametrize(
    ("tree", "check", "words"),
    [
        ({".copier-answers.yml": "<<<<<<<"}, "version", ["fail", "damaged"]),
        ({"compose.yaml": "<<<<<<< HEAD\n"}, "merge", ["fail", "compose.yaml: conflict markers"]),
        ({"compose.yaml": "services: {tool: {environment: {SESION_DAYS: 3}}}"}, "settings", ["in compose.yaml"]),
        ({"compose.override.yaml": "services: {tool: {environment: [NOSUCH=3]}}"}, "settings", ["in compose.override"]),
        ({"core/migrations/versions/0002_x.py/y": ""}, "database", ["warn", "could not be examined"]),
        ({".env": "SESION_DAYS=3\n"}, "settings", ["warn", "SESION_DAYS in .env", "write SESSION_DAYS"]),
        ({"app/settings.py": "class Settings:\n    api_key: str\n"}, "settings", ["fail", "API_KEY is not set"]),
        ({"core/migrations/versions/0002_x.py": 'revision = "0009"\n'}, "database", ["fail", "end in"]),
    ],
    ids=["answers", "markers", "compose", "override", "unreadable", "unknown-setting", "missing-setting", "two-heads"],
)
def test_a_file_that_is_wrong_is_found(
    project: Path, write: Write, found: Found, tree: dict[str, str], check: str, words: list[str]
) -> None:
    database(project, core_version="0001")
    write(project, tree)
    assert [word for word in words if word not in found().get(check, "")] == []


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (b"NAME=x\n", "warn: NAME in .env is no setting"),
        (b"SESSION_DAYS='3\n4'\nnot a line\nPORT=1 # a\n", "warn: .env:3 sets nothing → write NAME=value"),
        (b"# a\r\n\r\nSESSION_DAYS\r\nPORT=1", "warn: .env:3 sets nothing"),
        (b"export SESSION_DAYS='3\n", "warn: .env:1 sets nothing"),
        (b"PORT=1\nLIMIT=d\xfc\n", "fail: .env:2 is not UTF-8 → save the file as UTF-8"),
        (b'PORT=1\n  export SESSION_DAYS = "a\\"b" # c\nlimit={\'a\': "b"}', ""),
    ],
    ids=["a-model-is-no-setting", "no-line", "no-value", "no-end", "latin-1", "all-is-well"],
)
def test_an_env_file_that_does_not_say_what_was_meant_is_found(
    project: Path, found: Found, env: bytes, said: str
) -> None:
    (project / ".env").write_bytes(env)
    assert found().get("settings", "").startswith(said)
    assert ("settings" in found()) is bool(said)


@pytest.mark.parametrize(
    ("compose", "reaches"),
    [("environment: {PORT: 1}", False), ("environment: [LIMIT]", True), ("env_file: .env", True), ("image: x", False)],
)
def test_a_setting_that_compose_does_not_pass_on_is_found(
    project: Path, write: Write, found: Found, compose: str, reaches: bool
) -> None:
    write(project, {".env": "LIMIT=4\n", "compose.yaml": f"services: {{tool: {{{compose}}}}}\n"})
    fix = "write LIMIT: under services, tool, environment in compose.override.yaml"
    said = f"warn: LIMIT in .env does not reach the container → {fix}"
    assert found().get("settings", "") == ("" if reaches else said)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({"core_version": "0002"}, None),
        ({"core_version": "0001"}, "warn: the database is behind: at core revision 0001 of 0002 → pyops run migrate"),
        ({"core_version": "0007"}, "fail: the database is ahead: at core revision 0007"),
    ],
    ids=["fits", "behind", "ahead"],
)
def test_the_database_is_compared_with_the_revisions(
    project: Path, found: Found, at: dict[str, str], said: str | None
) -> None:
    database(project, **at)
    assert found().get("database", "").startswith(said or "")
    assert ("database" in found()) is (said is not None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "SESSION_DAYS=3\nLIMIT=4\nexport PORT=0\n# NOSUCH=1\n"),
        (".env", 'OIDC=\'[{"a": 1,\n  "b": "x=y"}]\'\n'),
        ("compose.override.yaml", "services: [1]"),
    ],
    ids=["known", "of-a-feature-over-two-lines", "odd-yaml"],
)
def test_settings_that_are_known_are_no_finding(
    project: Path, write: Write, found: Found, name: str, text: str
) -> None:
    write(project, {name: text, "app/oidc/settings.py": "class OidcSettings:\n    oidc: list[str] = []\n"})
    assert found() == {}


def test_a_setting_that_the_tool_refuses_is_found(project: Path, write: Write, found: Found) -> None:
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").symlink_to(sys.executable)
    said = "error: settings are wrong (environment or .env):\\n  SESSION_DAYS: Input should be at least 1"
    write(project, {"core/__main__.py": f"import sys; sys.exit('{said}')\n"})
    assert found()["settings"].startswith("fail: SESSION_DAYS: Input should be at least 1 → ")


def test_a_data_folder_that_cannot_be_written_is_found(project: Path) -> None:
    (project / "data").mkdir(mode=0o500)
    command = [*AS_ANYBODY, sys.executable, "-m", "pyops_cli", "doctor", "--json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    [said] = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "data"]
    assert (said["level"], said["fix"]) == ("fail", f"chown -R {os.getuid()} {project}/data")
    assert done.returncode == 1


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_data_folder_on_a_network_file_system_is_found(
    project: Path, found: Found, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = f"/dev/sda1 / ext4 rw 0 0\nserver:/srv {project} {kind} rw 0 0\n"
    (tmp_path / "mounts").write_text(mounts)
    monkeypatch.setattr(doctor, "MOUNTS", tmp_path / "mounts")  # the kernel's word
    assert f"is on {kind}, where SQLite corrupts" in found()["data"]


def test_a_taken_port_is_found(project: Path, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        assert "cannot be listened on" in found()["port"]


@pytest.mark.parametrize(("name", "value"), [("PORT", "99999"), ("PORT", "http"), ("HOST", "a..b")])
def test_an_address_that_nobody_can_listen_on_is_found(
    project: Path, found: Found, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert "port" in found()


def test_a_clock_that_nothing_sets_is_found(
    project: Path, found: Found, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (write(tmp_path / "bin", {"timedatectl": "#!/bin/sh\necho no\n"}) / "timedatectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert found()["clock"] == "warn: nothing sets the clock of this machine → timedatectl set-ntp true"


def test_a_newer_version_is_told_and_is_no_fault(pyops: Pyops, project: Path, template: Path, git: Git) -> None:
    git(template, "commit", "-q", "--allow-empty", "-m", "More")
    git(template, "tag", "v0.2.0")
    done = pyops("doctor")
    assert (done.returncode, "v0.1.0; v0.2.0 is there\n      fix: pyops update --plan" in done.stdout) == (0, True)


def test_a_version_that_is_gone_is_found(project: Path, found: Found, template: Path, git: Git) -> None:
    git(template, "tag", "-d", "v0.1.0")
    assert found()["version"].startswith("fail: the template")


def test_a_clock_behind_the_last_commit_is_found(
    project: Path, found: Found, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{int(time.time()) + 7200} +0000")
    git(project, "commit", "-q", "--allow-empty", "-m", "Later")
    assert "the clock is behind" in found()["clock"]


@pytest.mark.parametrize(
    ("uv", "tree", "said"),
    [
        (["--version"], {}, ("warn", "pyops dev, then commit it")),
        (["lock"], {"uv.lock": 'version = 1\nrequires-python = ">=3.13"\n'}, ("fail", "uv lock, then commit it")),
        (["lock"], {}, ("ok", "")),
    ],
    ids=["none", "stale", "fits"],
)
def test_the_lock_is_compared(
    pyops: Pyops, project: Path, write: Write, monkeypatch: pytest.MonkeyPatch, uv: list[str],
    tree: dict[str, str], said: tuple[str, str],
) -> None:  # fmt: skip
    monkeypatch.setenv("UV_OFFLINE", "1")
    write(project, {"pyproject.toml": '[project]\nname = "my-tool"\nversion = "1"\nrequires-python = ">=3.11"\n'})
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *uv], check=True, stdout=subprocess.DEVNULL)
    write(project, tree)
    [found] = [each for each in json.loads(pyops("doctor", "--json").stdout)["findings"] if each["check"] == "lock"]
    assert (found["level"], found["fix"]) == said


def test_a_template_out_of_reach_is_a_warning(project: Path, found: Found, template: Path, tmp_path: Path) -> None:
    template.rename(tmp_path / "elsewhere")
    assert found()["version"].startswith("warn: The template is no longer at")
