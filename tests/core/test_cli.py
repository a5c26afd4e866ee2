import errno
import io
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select
from sqlmodel import col

from app.services.models import Service
from core import auth, cli, marks
from core.app import App
from core.audit import AuditEntry
from core.auth import User
from core.db import Database
from core.errors import UserError
from core.jobs import JobRun
from core.scheduler import pause
from core.settings import PROJECT, Settings
from core.testing import TESTER
from tests.core import sample_jobs
from tests.core.samples import wait_for


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[None]:
    """The test's data folder in the environment; logging restored for the tests that follow."""
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("TOOL_NAME", "Test tool")
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`python -m core …`, without a process of its own."""

    def run(*arguments: str, typed: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["core", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:  # Typer ends so, even well
            cli.main()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def declare(app: App, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Adds a job to the tool's first feature."""
    feature = app.features[0]
    return lambda function: monkeypatch.setattr(feature, "jobs", [*feature.jobs, (function, marks.of(function))])


def real(*arguments: str, cwd: Path = PROJECT, **environment: str) -> Done:
    """`python -m core …` in a process of its own."""
    command = [sys.executable, "-m", "core", *arguments]
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_users_are_added_and_listed(core: Command, database: Database) -> None:
    added = core("users", "add", "ann", "--role", "operator")
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/-/sign-in/\S{40,}\n", added.out)
    core("users", "add", "bob", "--role", "admin")
    with database.write(TESTER) as db:
        auth.disable(db, db.get_one(User, 1))
    assert core("users", "list").out.split() == ["ann", "operator", "disabled", "bob", "admin"]


def test_a_link_of_the_command_line_signs_in(core: Command, database: Database) -> None:
    core("users", "add", "ann")
    link = core("users", "link", "ann").out.strip()
    with database.write(TESTER) as db:
        user = auth.link_user(db, link.rpartition("/")[2], take=True)
    assert user.name == "ann"


def test_a_link_leads_to_the_tools_own_address(core: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "https://tool.example.com")
    assert core("users", "add", "ann").out.startswith("https://tool.example.com/-/sign-in/")


def test_what_the_command_line_writes_is_audited(core: Command, database: Database) -> None:
    core("users", "add", "ann")
    with database.read() as db:
        entries = db.connection().exec_driver_sql('SELECT actor, actor_kind, op, "table" FROM core_audit').all()
    assert entries == [("command line", "cli", "create", "core_user")]


def test_a_token_is_made_with_its_scopes(core: Command, database: Database) -> None:
    scopes = ["--scope", "read", "--scope", "/services"]
    secret = core("token", "create", "--role", "viewer", "--name", "ci", "--days", "3", *scopes).out.strip()
    with database.read() as db:
        identity = auth.identity_of(db, secret, auth.Token)
    assert identity and (identity.name, identity.role, identity.scopes) == ("ci", "viewer", ("read", "/services"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["users", "link", "nobody"], "there is no user 'nobody'; see: python -m core users list"),
        (["users", "add", "ann", "--role", "king"], "'king' is no role; use one of viewer, operator, admin"),
        (["token", "create", "--role", "king"], "'king' is no role; use one of viewer, operator, admin"),
        (["get", "/", "--role", "king"], "'king' is no role; use one of viewer, operator, admin"),
        (
            ["jobs", "run", "tidy"],
            "There is no job 'tidy'; there are: services.check, services.down, core.deliver, core.failing, core.tidy",
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(core: Command, database: Database, arguments: list[str], said: str) -> None:
    assert core(*arguments) == Done(1, "", f"error: {said}\n")


def test_the_key_is_rotated_and_that_is_audited(core: Command, database: Database, settings: Settings) -> None:
    done = core("secrets", "rotate")
    assert (done.code, done.out.partition(";")[0]) == (0, "encrypted with a new key: 0")
    assert len((settings.data_dir / "secret.key").read_text().split()) == 2
    with database.read() as db:
        entry = db.execute(select(AuditEntry).order_by(col(AuditEntry.id).desc())).scalars().first()
    assert entry and (entry.actor, entry.op, entry.table) == ("command line", "rotate", "secret.key")


def test_a_key_file_that_cannot_be_replaced_is_one_line(core: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "replace", refuse)
    said = "error: secret.key cannot be replaced: Device or resource busy; nothing is changed\n"
    assert core("secrets", "rotate") == Done(1, "", said)


@pytest.mark.sqlite
def test_the_key_is_not_rotated_while_migrations_are_pending(core: Command, settings: Settings) -> None:
    key = (settings.data_dir / "secret.key").read_text()
    (settings.data_dir / "app.db").unlink()
    assert "core migrations are pending: 0001" in core("secrets", "rotate").err
    assert (settings.data_dir / "secret.key").read_text() == key


def test_jobs_are_listed_with_their_time_and_their_docstring(core: Command) -> None:
    line, *_, own = core("jobs", "list").out.splitlines()
    assert line.split(maxsplit=3) == ["services.check", "every", "5m", "Ask every service whether it answers."]
    assert own.startswith("core.tidy")


@pytest.mark.slow
def test_a_job_runs_and_shows_its_log(core: Command, database: Database) -> None:
    with database.write(TESTER) as db:
        db.add(Service(name="nothing", url="http://127.0.0.1:9/"))
    done = core("jobs", "run", "services.check")
    assert (done.code, done.out.splitlines()[-1]) == (0, "succeeded")
    assert re.search(r"\d\d:\d\d:\d\d warning nothing: http://127\.0\.0\.1:9/ cannot be reached", done.out)
    with database.read() as db:
        assert db.execute(select(JobRun)).scalar_one().started_by == "command line"


@pytest.mark.slow
def test_a_job_that_fails_exits_with_one_and_queues_its_retry(
    core: Command, database: Database, declare: Callable[[Any], None]
) -> None:
    declare(sample_jobs.fail)
    done = core("jobs", "run", "services.fail")
    assert (done.code, done.out.splitlines()[-1]) == (1, "failed")
    with database.read() as db:
        states = list(db.execute(select(col(JobRun.state)).order_by(col(JobRun.id))).scalars())
    assert states == ["failed", "queued"]


def test_a_paused_job_is_listed_as_such(core: Command, database: Database) -> None:
    with database.write(TESTER) as db:
        pause(db, "services.check", "ann")
    assert core("jobs", "list").out.splitlines()[0].split()[1] == "paused"


@pytest.mark.slow
def test_a_job_is_run_with_parameters(core: Command, database: Database, declare: Callable[[Any], None]) -> None:
    declare(sample_jobs.repeat)
    done = core("jobs", "run", "services.repeat", "word=a=b", "on=2026-05-01")
    assert (done.code, "info    a=b datetime.date(2026, 5, 1)" in done.out) == (0, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("times=many", "times: Should be a valid integer, unable to parse string as an integer."),
        ("tims=3", "services.repeat has no parameter 'tims'; it has word, times, on."),
    ],
    ids=["value", "name"],
)
def test_a_wrong_parameter_is_one_line(
    core: Command, declare: Callable[[Any], None], database: Database, given: str, said: str
) -> None:
    declare(sample_jobs.repeat)
    assert core("jobs", "run", "services.repeat", given) == Done(1, "", f"error: {said}\n")


def test_a_job_that_is_going_is_not_run_again(core: Command, database: Database) -> None:
    with database.write(TESTER) as db:
        db.add(JobRun(job="services.check", started_by="ann"))
    done = core("jobs", "run", "services.check")
    assert done == Done(
        1, "", "error: services.check is running or waits for its turn; let it end, or cancel it first.\n"
    )


@pytest.mark.sqlite("its file")
def test_migrating_says_what_ran(core: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "new"))
    assert re.fullmatch(r"core: 0001( 0\d{3})*\napp: 0001\n", core("migrate").out)
    assert core("migrate").out == "core: up to date\napp: up to date\n"


def test_routes_say_who_may_and_which_function_answers(core: Command) -> None:
    lines = {tuple(line.split()[:4]) for line in core("routes").out.splitlines()}
    assert {
        ("GET", "/services", "viewer", "services.index"),
        ("POST", "/services/{id}", "operator", "services.save"),
        ("GET", "/-/sign-in", "public", "people.sign_in"),
    } <= lines


@pytest.mark.parametrize(
    ("path", "role", "code", "shown"),
    [
        ("/services", "viewer", 0, "<h1"),
        ("/services?q=x", "viewer", 0, 'value="x"'),
        ("/services/new", "viewer", 1, "This needs the role operator"),
        ("/nowhere", "admin", 1, "There is no such page."),
    ],
)
def test_a_page_is_shown_as_a_role_sees_it(core: Command, path: str, role: str, code: int, shown: str) -> None:
    done = core("get", path, "--role", role)
    assert done.code == code and shown in done.out


def test_a_mistake_in_a_template_is_told_in_one_line(core: Command, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(app.templates.environment.globals, "ui")
    app.templates.environment.cache.clear()
    done = core("get", "/services")
    assert (done.code, done.err) == (1, "error: UndefinedError: 'ui' is undefined\n")


@pytest.mark.sqlite("its file")
@pytest.mark.slow
def test_the_self_check_tries_the_data_folder(core: Command, settings: Settings) -> None:
    done = core("selfcheck", "--seconds", "0.5")
    assert done.code == 0 and done.out.endswith("all is well: no error, no lost update\n")
    assert "app.db" in {path.name for path in settings.data_dir.iterdir()}


def test_an_app_that_is_none_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.main.app", object())
    with pytest.raises(UserError, match=r"app/main\.py has no App; write: app = App\(features="):
        cli.load_app()


@pytest.mark.parametrize(
    ("users", "admin"),
    [
        ([], "admin"),
        ([("ann", "admin", True)], "ann"),
        ([("ann", "viewer", True)], "admin"),
        ([("ann", "admin", False), ("bob", "admin", True)], "bob"),
        ([("admin", "admin", False)], None),
        ([("admin", "viewer", True)], None),
    ],
    ids=["nobody", "an admin", "a viewer", "one is disabled", "admin is disabled", "admin is a viewer"],
)
def test_the_first_sign_in_link_is_for_an_active_admin(
    database: Database, users: list[tuple[str, str, bool]], admin: str | None
) -> None:
    with database.write(TESTER) as db:
        db.add_all(User(name=name, role=role, is_active=is_active) for name, role, is_active in users)
        db.flush()
        found = cli._first_admin(db)
    assert (found and found.name) == admin


@pytest.mark.slow
def test_a_mistake_has_no_traceback(settings: Settings) -> None:
    wrong = real("users", "list", DATA_DIR=str(settings.data_dir), PORT="many")
    assert wrong.code == 1 and "Traceback" not in wrong.err
    assert wrong.err.startswith(
        "error: settings are wrong (environment or .env):\n  PORT: Input should be a valid integer"
    )


def test_a_command_that_is_none_shows_its_usage(core: Command) -> None:
    done = core("fly")
    assert done.code == 2 and "Usage" in done.err


@pytest.mark.sqlite("its file")
@pytest.mark.slow
def test_a_changed_model_gets_a_revision(settings: Settings, tmp_path: Path) -> None:
    hidden = shutil.ignore_patterns("data", "__pycache__", ".env")
    project = shutil.copytree(PROJECT, tmp_path / "project", ignore=hidden)
    models = project / "app" / "services" / "models.py"
    added = '    login: Any = Field(default=None, sa_column=Column("login", Encrypted))\n'
    heading = "from typing import Any\nfrom sqlalchemy import Column\nfrom core import Encrypted\n"
    models.write_text(models.read_text().replace("from datetime", heading + "from datetime", 1) + added)
    there = partial(real, cwd=project, DATA_DIR=str(settings.data_dir), PYTHONPATH="")
    written = there("migrate", "--new", "keep the login")
    revision = project / "migrations" / "0002_keep_the_login.py"
    assert written.out == f"wrote {revision}; read it, then run: python -m core migrate\n", written.err
    assert "sa.Column('login', sa.Text(), nullable=True)" in revision.read_text()
    assert there("migrate").out == "core: up to date\napp: 0002\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_healthy(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/health", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


@pytest.mark.slow
def test_a_served_tool_migrates_prints_a_link_answers_and_stops(tmp_path: Path) -> None:
    port, said = free_port(), tmp_path / "said"
    with said.open("w") as err:
        command = [sys.executable, "-m", "core", "serve", "--port", str(port)]
        environment = {**os.environ, "DATA_DIR": str(tmp_path / "data")}
        server = subprocess.Popen(command, cwd=PROJECT, env=environment, stderr=err)
    wait_for(lambda: is_healthy(port))
    server.send_signal(signal.SIGTERM)
    assert server.wait(15) in (0, -signal.SIGTERM)
    assert re.search(rf"Sign in: http://127\.0\.0\.1:{port}/-/sign-in/\S{{40,}}", said.read_text())
    assert "Traceback" not in said.read_text()


def test_a_port_that_is_taken_is_noticed_before_a_link_is_printed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = real("serve", "--port", str(taken.getsockname()[1]), DATA_DIR=str(tmp_path), DATABASE_URL="")
    assert done.code == 1 and "sign-in" not in done.err
    said = done.err.splitlines()[-1]
    assert ": Address already" in said and said.endswith("use another --port or --host")


def test_settings_are_listed(core: Command, settings: Settings) -> None:
    assert f"DATA_DIR               {settings.data_dir}" in core("settings").out
