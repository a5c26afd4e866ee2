"""What `add` writes into a project runs, and reads as if somebody had written it; `remove` leaves nothing behind."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pyops_cli
from tests.template.conftest import Commit

Core = Callable[..., subprocess.CompletedProcess[str]]
KINDS = ("feature", "resource", "page", "job", "alert", "oidc")
ADDED = [
    "resource server name:str owner:str? port:int=443 expires:date? kind:web|db service:ref notes:text? seen:datetime?",
    "resource an_extraordinarily_long_quota gb:int! until:date=2030-01-02 level:low|high=low price:decimal=1.50 "
    "on:bool=true server:ref tag:str!? load:float --plural quotas",
    "feature run_books",
    "page servers/by_kind",
    "job servers/sync --every 2h",
    "alert servers/too_old",
    "job services/tidy",
    "oidc",
]


SCAFFOLD = str(Path(pyops_cli.__file__).with_name("scaffold"))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def grown(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every kind of thing was added."""
    folder = tmp_path_factory.mktemp("grown") / "my-tool"
    shutil.copytree(project, folder)
    for line in ADDED:
        done = run(folder, SCAFFOLD, "add", *line.split())
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def fresh(project: Path, tmp_path: Path) -> Path:
    """A project as it is made, in a repository."""
    return Path(shutil.copytree(project, tmp_path / "my-tool"))


@pytest.fixture
def core(fresh: Path) -> Core:
    """`pyops add …` and `pyops remove …` in the fresh project."""
    return lambda *words: run(fresh, SCAFFOLD, *words)


def tree(folder: Path) -> dict[str, bytes]:
    files = [
        path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc" and ".git" not in path.parts
    ]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if "data" not in path.parts}


@pytest.mark.slow
@pytest.mark.parametrize("check", ["ruff check .", "ruff format --check .", "mypy", "pytest -q"])
def test_what_was_added_passes_the_projects_own_checks(check: str, grown: Path) -> None:
    done = run(grown, "-m", *check.split())
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_page_is_put_before_the_one_that_would_catch_its_address(grown: Path) -> None:
    text = (grown / "app" / "servers" / "pages.py").read_text()
    assert text.index('@page("/servers/by-kind")') < text.index('@page("/servers/{id}")')


@pytest.mark.slow
def test_adding_a_job_changes_two_lines_of_the_users_and_adds_the_rest(grown: Path, project: Path) -> None:
    old, new = ((folder / "app/services/jobs.py").read_text() for folder in (project, grown))
    assert new.startswith(old)
    assert "def tidy(" in new.removeprefix(old)


def test_help_says_what_can_be_added(core: Core) -> None:
    said = core("add", "--help").stdout
    assert [word for word in (*KINDS, "decimal", "ref", "pyops add job servers/sync") if word not in said] == []


REFUSED = {
    "resource server name:string": "write name:type",
    "resource server class:str": "'class'",
    "resource server model_dump:str": "model_dump",
    "resource server name:str name:int": "'name'",
    "resource server port:int=many": "'many' is no int",
    "resource server kind:web|db=queue": "'queue' is no choice",
    "resource server group:ref": "there is no table group",
    "resource service name:str": "app/services is there already",
    "resource form name:str": "'form'",
    "feature ../elsewhere": "add feature NAME",
    "feature settings": "app/settings is there already",
    "page map": "FEATURE/NAME",
    "oidc company": "add oidc",
    "job nowhere/sync": "there is no feature app/nowhere",
    "job services/check": "check() is there already",
    "job services/late --cron nonsense": "nonsense",
}
EACH = """
import json, sys
sys.path[:0] = [".", sys.argv[1]]
from commands import scaffold
from core.errors import CoreError
said = {}
for line in json.load(sys.stdin):
    try:
        scaffold(["add", *line.split()], standalone_mode=False)
    except CoreError as error:
        said[line] = str(error)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def refused(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each of REFUSED was answered, one after the other in one project, which stays as it was."""
    fresh = Path(shutil.copytree(project, tmp_path_factory.mktemp("refused") / "my-tool"))
    command = [sys.executable, "-c", EACH, SCAFFOLD]
    done = subprocess.run(command, input=json.dumps([*REFUSED]), cwd=fresh, capture_output=True, text=True, check=True)
    assert tree(fresh) == tree(project)
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_added_is_said_and_nothing_is_written(line: str, refused: dict[str, str]) -> None:
    assert REFUSED[line] in refused[line]


def test_a_list_that_is_not_plain_is_left_alone_and_the_line_is_said(fresh: Path, core: Core) -> None:
    main = fresh / "app" / "main.py"
    main.write_text(main.read_text().replace("[services.feature]", "[  # the menu\n    services.feature\n]"))
    before = main.read_text()
    assert "servers.feature" in core("add", "feature", "servers").stdout
    assert main.read_text() == before


def test_a_module_that_is_set_in_another_way_keeps_its_way(fresh: Path, core: Core) -> None:
    main = fresh / "app" / "main.py"
    main.write_text("from core import App\nfrom . import services\napp=App( features=[services.feature, ] )\n")
    core("add", "feature", "servers")
    assert main.read_text() == (
        "from core import App\nfrom . import services\nfrom . import servers\n"
        "app=App( features=[services.feature, servers.feature, ] )\n"
    )


def test_settings_that_begin_otherwise_are_left_alone_and_the_line_is_said(fresh: Path, core: Core) -> None:
    settings = fresh / "app" / "settings.py"
    settings.write_text(
        settings.read_text().replace("class Settings(core.Settings):", "class Settings(core.Settings, ):")
    )
    before = settings.read_text()
    said = core("add", "oidc").stdout
    assert "from .oidc.settings import OidcSettings" in said and "uv add 'joserfc" in said
    assert settings.read_text() == before


def test_line_ends_stay_what_they_were(fresh: Path, core: Core) -> None:
    main = fresh / "app" / "main.py"
    main.write_bytes(main.read_bytes().replace(b"\n", b"\r\n"))
    core("add", "feature", "servers")
    assert main.read_bytes().count(b"\r\n") == main.read_bytes().count(b"\n") == 8


def test_a_feature_that_is_removed_leaves_the_project_as_it_was(fresh: Path, core: Core, commit: Commit) -> None:
    before = tree(fresh)
    core("add", "feature", "servers")
    commit(fresh, "Add servers")
    assert core("remove", "feature", "servers").returncode == 0
    assert tree(fresh) == before


def test_removing_a_feature_says_what_is_left_of_it(fresh: Path, core: Core, commit: Commit) -> None:
    commit(fresh, "Begin")
    core("add", "feature", "servers")
    commit(fresh, "Add servers")
    said = core("remove", "feature", "services").stdout
    assert "left in the database: service;" in said
    assert (
        (fresh / "app" / "main.py").read_text().endswith("app = App(features=[servers.feature], settings=Settings)\n")
    )


def test_a_feature_is_removed_with_its_tables(fresh: Path, core: Core, commit: Commit) -> None:
    core("add", "resource", "server", "name:str")
    commit(fresh, "Add servers")
    assert core("remove", "feature", "servers", "--drop-tables").returncode == 0
    [revision] = (fresh / "migrations").glob("0003*.py")
    assert "op.drop_table('server')" in revision.read_text()


def test_a_feature_that_others_use_stays(fresh: Path, core: Core, commit: Commit) -> None:
    (fresh / "app" / "report.py").write_text("from .services.models import Service as Service\n")
    commit(fresh, "Report services")
    assert "app/report.py:1: from .services.models" in core("remove", "feature", "services").stderr
    assert (fresh / "app" / "services").is_dir()


def test_nothing_is_removed_that_git_ignores(fresh: Path, core: Core, commit: Commit) -> None:
    (fresh / ".gitignore").write_text("*.env\n__pycache__/\n")
    commit(fresh, "Begin")
    (fresh / "app/services/sites.env").write_text("TOKEN=1")
    assert "app/services/sites.env" in core("remove", "feature", "services").stderr
    assert (fresh / "app/services/sites.env").is_file()


def test_an_interrupted_add_leaves_nothing(fresh: Path) -> None:
    before = tree(fresh)
    (fresh / "app/settings.py").write_text("raise KeyboardInterrupt\n")
    assert run(fresh, SCAFFOLD, "add", "feature", "servers").returncode != 0
    assert not (fresh / "app/servers").exists()
    assert (fresh / "app/main.py").read_bytes() == before["app/main.py"]


def test_what_was_just_added_is_removed_without_a_commit(fresh: Path, core: Core, commit: Commit) -> None:
    commit(fresh, "Begin")
    core("add", "resource", "server", "name:str")
    done = core("remove", "feature", "servers", "--drop-tables")
    assert (done.returncode, (fresh / "app" / "servers").exists()) == (0, False)
    assert "op.drop_table('server')" in next((fresh / "migrations").glob("0003*.py")).read_text()


def test_what_was_added_and_changed_is_removed_by_force_only(fresh: Path, core: Core, commit: Commit) -> None:
    commit(fresh, "Begin")
    core("add", "feature", "servers")
    (fresh / "app" / "servers" / "notes.txt").write_text("mine\n")
    refused = core("remove", "feature", "servers")
    assert ("--force" in refused.stderr, (fresh / "app" / "servers").is_dir()) == (True, True)
    assert core("remove", "feature", "servers", "--force").returncode == 0
    assert not (fresh / "app" / "servers").exists()


def test_nothing_is_removed_that_git_does_not_have(fresh: Path, core: Core) -> None:
    assert "commit everything" in core("remove", "feature", "services").stderr
    assert (fresh / "app" / "services").is_dir()
