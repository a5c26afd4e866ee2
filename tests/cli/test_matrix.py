"""No update loses a line of the user's (P10): versions of the real template times hostile users.

CI runs a choice of the cells, `make test-matrix` all of them and more random edits.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pyops_cli import main
from tests.cli.matrix import (
    DEEDS,
    FIRST,
    HISTORIES,
    LAYOUTS,
    MEETINGS,
    ODD_DEEDS,
    ROOT,
    SMALL,
    TOKEN,
    USERS,
    USERS_OWN,
    Deed,
    cells,
    replace,
    write,
)

WHOLE = os.environ.get("PYOPS_MATRIX") == "whole"
# The same examples in every run of CI; by chance, and many, in `make test-matrix`, where one that fails is made small.
PHASES = tuple(Phase) if WHOLE else (Phase.explicit, Phase.generate)
FREELY = settings(deadline=None, derandomize=not WHOLE, phases=PHASES, suppress_health_check=list(HealthCheck))
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class World:
    """The template with all its versions, and a project of the first."""

    template: Path
    born: Path
    versions: dict[str, str]  # the tag of each history


def run(*words: str | Path, cwd: Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a command."""
    return subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=check)


def commit(folder: Path, subject: str) -> None:
    """Commit a folder as it lies."""
    run("git", "add", "--all", "--force", cwd=folder)
    run("git", *AUTHOR, "commit", "-qm", subject, "--allow-empty", cwd=folder)


def release(template: Path, tag: str, edits: list[Callable[[Path], None]]) -> None:
    """Change the template and tag it."""
    for edit in edits:
        edit(template)
    commit(template, tag)
    run("git", "tag", tag, cwd=template)


def pyops(*words: str, cwd: Path) -> tuple[int, str, str]:
    """`pyops WORDS` in this process: exit code, output, errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        argv, sys.argv = sys.argv, ["pyops", *words]
        on_end = signal.getsignal(signal.SIGTERM)
        try:
            main.run()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
        finally:
            sys.argv = argv
            signal.signal(signal.SIGTERM, on_end)
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The real template as v0.1.0, and one later version for each history."""
    home = tmp_path_factory.mktemp("world")
    template = home / "template"
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "copier.yml", "template", cwd=ROOT)
    for name in [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]:
        (template / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, template / name)
    run("git", "init", "-qb", "main", cwd=template)
    release(template, "v0.1.0", FIRST)
    versions = {}
    for number, (name, history) in enumerate(HISTORIES.items(), start=2):
        versions[name] = f"v0.{number}.0"
        run("git", "checkout", "-qb", name, "v0.1.0", cwd=template)
        if history.before:
            release(template, f"{versions[name]}rc1", history.before)
        release(template, versions[name], history.edits)
    born = home / "born/my-tool"
    words = ["new", str(born), "--template", str(template), "--ref", "v0.1.0", "--defaults", "--no-git"]
    born.parent.mkdir()
    assert pyops(*words, cwd=home)[0] == 0
    return World(template, born, versions)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small template, and a project of it in a repository."""
    home = tmp_path_factory.mktemp("small")
    for name, text in SMALL.items():
        write(name, text)(home / "template")
    run("git", "init", "-qb", "main", "template", cwd=home)
    commit(home / "template", "v0.1.0")
    run("git", "tag", "v0.1.0", cwd=home / "template")
    words = ["new", "my-tool", "--template", str(home / "template"), "--ref", "v0.1.0", "--defaults"]
    assert pyops(*words, cwd=home)[0] == 0
    return World(home / "template", home / "my-tool", {})


def lived_in(world: World, place: Path, *, user: str, layout: str) -> Path:
    """A project of the first version in which a user worked."""
    repository = place / "origin" if layout == "shallow" else place
    project = repository / "tools/my-tool" if layout == "monorepo" else repository
    shutil.copytree(world.born, project)
    run("git", "init", "-qb", "main", cwd=repository)
    commit(repository, "Begin")
    for edit in USERS[user]:
        edit(project)
    if USERS[user]:
        commit(repository, "Work")
    if layout != "shallow":
        return project
    run("git", "clone", "-q", "--depth=1", repository.as_uri(), "clone", cwd=place)
    return place / "clone"


def snapshot(project: Path) -> dict[str, tuple[bytes | str, int]]:
    """Every file of a project, links and modes too, outside git and caches."""
    found: dict[str, tuple[bytes | str, int]] = {}
    for file in project.rglob("*"):
        if {".git", "__pycache__", "data"} & set(file.relative_to(project).parts):
            continue
        if file.is_symlink():
            found[str(file.relative_to(project))] = (str(file.readlink()), 0)
        elif file.is_file():
            found[str(file.relative_to(project))] = (file.read_bytes(), file.stat().st_mode & 0o111)
    return found


def version_files(world: World, tag: str) -> set[str]:
    """What a version of the template renders."""
    listed = run("git", "ls-tree", "-r", "-z", "--name-only", f"{tag}:template", cwd=world.template).stdout.split("\0")
    return {name.removesuffix(".jinja") for name in listed if name}


def users_own(before: dict[str, tuple[bytes | str, int]], rendered: set[str]) -> set[str]:
    """The files that no update may touch: those born once, and those of no version of the template."""
    return {name for name in before if is_users(name) or name not in rendered | {".copier-answers.yml"}}


def is_users(name: str) -> bool:
    """Whether a path is born once and then the user's."""
    return name in USERS_OWN or name.partition("/")[0] + "/" in USERS_OWN


def tokens(project: Path) -> int:
    """How many lines of the user's are in the project."""
    return sum(content.count(TOKEN.encode()) for content, _ in snapshot(project).values() if isinstance(content, bytes))


def check_update(
    world: World, project: Path, tag: str, *, at: str = "v0.1.0", refusal: str = "nothing is"
) -> bool | None:
    """Update, and check everything that holds of every update; whether it was clean, None when it was refused."""
    before, lines = snapshot(project), tokens(project)
    code, out, err = pyops("update", "--to", tag, "--no-lock", "--no-tests", "--json", cwd=project)
    if code == 4 and refusal in err:
        assert snapshot(project) == before
        return None
    assert err == ""
    after = snapshot(project)
    rendered = version_files(world, at) | version_files(world, tag)
    kept = users_own(before, rendered)
    assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}
    assert {name for name in after.keys() - before.keys() if is_users(name)} == set()
    assert tokens(project) >= lines
    conflicts = [
        file["path"] for file in json.loads(out)["files"] if file["kind"] in ("conflict", "your edit would be deleted")
    ]
    unmerged = set(run("git", "diff", "--name-only", "--diff-filter=U", "--relative", cwd=project).stdout.splitlines())
    assert (code, unmerged) == ((3, set(conflicts)) if conflicts else (0, set()))
    assert pyops("update", "--finish", "--no-tests", "--no-lock", cwd=project)[0] == code
    return code == 0


def check_abort(project: Path, before: dict[str, tuple[bytes | str, int]]) -> None:
    """Taking the update back brings every byte."""
    assert pyops("update", "--abort", cwd=project)[0] == 0
    assert snapshot(project) == before
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""


def boots(project: Path) -> str:
    """The routes of the project, on this environment."""
    done = run(sys.executable, "-m", "core", "routes", cwd=project, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("history", "user", "layout"), cells(whole=WHOLE))
def test_an_update_keeps_what_is_the_users(world: World, tmp_path: Path, history: str, user: str, layout: str) -> None:
    project = lived_in(world, tmp_path / "my-tool", user=user, layout=layout)
    before = snapshot(project)
    code, _, _ = pyops("update", "--plan", "--to", world.versions[history], cwd=project) if WHOLE else (None, "", "")
    assert snapshot(project) == before
    is_clean = check_update(world, project, world.versions[history])
    assert code in (None, 0 if is_clean else 3)
    assert {"clean": True, "conflict": False}.get(
        dict((m[:2], m[2]) for m in MEETINGS).get((history, user), ""), is_clean
    ) is is_clean
    assert not is_clean or "/-/" in boots(project)
    check_abort(project, before)


@pytest.mark.parametrize("history", HISTORIES)
def test_the_projects_tests_pass_after_each_history(
    world: World, tmp_path: Path, history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = lived_in(world, tmp_path / "my-tool", user="works-in-app", layout="own")
    assert check_update(world, project, world.versions[history])
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # this environment's, which the project's has not
    done = run(sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "tests", cwd=project, check=False)
    assert done.returncode == 0, done.stdout


def test_a_pre_release_is_a_stop_on_the_way(world: World, tmp_path: Path) -> None:
    project = lived_in(world, tmp_path / "my-tool", user="works-in-app", layout="own")
    tag = world.versions["pre-release-between"]
    assert check_update(world, project, f"{tag}rc1")
    commit(project, "Update")
    assert check_update(world, project, tag, at=f"{tag}rc1")
    assert not (project / "core/draft.py").exists()


def test_uncommitted_work_stops_an_update_before_it_begins(world: World, tmp_path: Path) -> None:
    project = lived_in(world, tmp_path / "my-tool", user="left-work-lying-about", layout="own")
    (project / "app/more.py").write_text(TOKEN)
    (project / "core/time.py").write_text(TOKEN)
    before = snapshot(project)
    code, _, said = pyops("update", "--to", world.versions["core-changed"], cwd=project)
    assert (code, "app/more.py, core/time.py" in said or "core/time.py" in said, snapshot(project)) == (4, True, before)


def deeds(kinds: tuple[str, ...], *, by: str) -> st.SearchStrategy[list[Deed]]:
    """A few random edits."""
    number = st.integers(0, 40)
    return st.lists(st.builds(Deed, st.sampled_from(kinds), number, number, st.just(by)), max_size=8)


@settings(FREELY, max_examples=60 if WHOLE else 5)
@given(st.sampled_from(sorted(HISTORIES)), st.sampled_from(sorted(USERS)), st.sampled_from(LAYOUTS),
       deeds(ODD_DEEDS, by=TOKEN))  # fmt: skip
def test_random_edits_on_top_of_the_matrix_survive(
    world: World, history: str, user: str, layout: str, edits: list[Deed]
) -> None:
    with TemporaryDirectory() as place:
        project = lived_in(world, Path(place) / "my-tool", user=user, layout=layout)
        check_random(world, project, world.versions[history], edits)


@settings(FREELY, max_examples=600 if WHOLE else 45)
@given(deeds(DEEDS, by="of-the-template"), deeds(ODD_DEEDS, by=TOKEN))
def test_random_edits_survive_random_versions(small: World, versions: list[Deed], edits: list[Deed]) -> None:
    with TemporaryDirectory() as place:
        template = Path(shutil.copytree(small.template, Path(place) / "template"))
        for deed in versions:
            deed(template / "template")
        commit(template, "v0.2.0")
        run("git", "tag", "v0.2.0", cwd=template)
        project = Path(shutil.copytree(small.born, Path(place) / "my-tool"))
        replace(".copier-answers.yml", str(small.template), str(template))(project)
        check_random(World(template, project, {}), project, "v0.2.0", edits)


def check_random(world: World, project: Path, tag: str, edits: list[Deed]) -> None:
    """Work at random, and update: kept and taken back again, or refused and untouched."""
    for deed in edits:
        deed(project)
    commit(project, "Work")
    before = snapshot(project)
    if check_update(world, project, tag, refusal="move it away") is not None:
        check_abort(project, before)
