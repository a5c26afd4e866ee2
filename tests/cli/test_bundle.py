"""The wheel carries the released versions: projects come and go between it and the network."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pyops_cli import bundle

ROOT = Path(__file__).parents[2]
ADDRESS = "https://git.invalid/pyops/pyops.git"

Write = Callable[[Path, dict[str, str]], Path]
Git = Callable[..., str]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def carried(template: Path, tmp_path: Path, write: Write, git: Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This package carries the small template as v0.1.0 and v0.2.0, made from an address that nobody answers at."""
    git(template, "tag", "v0.1.0")
    write(template, {"template/core/notes.py": "new\n", "CHANGELOG.md": "## 0.2.0\n\n- **You must** look.\n"})
    git(template, "add", "-A")
    git(template, "commit", "-qm", "Notes")
    git(template, "tag", "v0.2.0")
    assert bundle.make(template, tmp_path / "released", url=ADDRESS)
    monkeypatch.setattr(bundle, "PLACE", tmp_path / "released")
    return tmp_path / "released"


@pytest.fixture
def project(carried: Path, pyops: Pyops, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of v0.1.0, made without a network."""
    done = pyops("new", "my-tool", "--template", ADDRESS, "--ref", "v0.1.0", "--defaults", "--data", "title=Tool")
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.chdir(workplace / "my-tool")
    return workplace / "my-tool"


def recorded(project: Path) -> tuple[str, str]:
    """The version and the address that a project is of."""
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return answers["_commit"], answers["_src_path"]


def test_a_project_made_without_a_network_records_the_real_address(project: Path) -> None:
    assert recorded(project) == ("v0.1.0", ADDRESS)


@pytest.mark.parametrize("words", [(), ("--offline",)])
def test_an_update_needs_no_network(project: Path, pyops: Pyops, words: tuple[str, ...]) -> None:
    done = pyops("update", "--no-tests", "--no-lock", *words)
    assert (done.returncode, "- **look.**" in done.stdout) == (0, True)
    assert (project / "core/notes.py").read_text() == "new\n"
    assert recorded(project) == ("v0.2.0", ADDRESS)


def test_after_an_update_from_the_wheel_plain_copier_goes_on_over_the_network(
    project: Path, pyops: Pyops, template: Path, write: Write, git: Git
) -> None:
    assert pyops("update", "--no-tests", "--no-lock", "--branch", "next").returncode == 0
    write(template, {"template/core/notes.py": "newest\n"})
    git(template, "commit", "-qam", "More")
    git(template, "tag", "v0.3.0")
    git(project, "config", "--global", f"url.{template.as_uri()}.insteadOf", ADDRESS)  # where the address leads
    command = [sys.executable, "-m", "copier", "update", "--defaults", "--quiet"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    assert ((project / "core/notes.py").read_text(), recorded(project)) == ("newest\n", ("v0.3.0", ADDRESS))


@pytest.mark.parametrize(
    "same", ["https://git.invalid/pyops/pyops", "git@git.invalid:pyops/pyops.git", "ssh://git@git.invalid/pyops/pyops"]
)
def test_the_same_repository_is_known_however_it_is_written(project: Path, pyops: Pyops, git: Git, same: str) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(ADDRESS, same))
    git(project, "commit", "-qam", "Write otherwise")
    assert pyops("update", "--check").returncode == 0


def test_a_project_of_another_template_goes_over_the_network(project: Path, pyops: Pyops, git: Git) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(ADDRESS, "http://127.0.0.1:9/fork.git"))
    git(project, "commit", "-qam", "Fork")
    assert "Cannot read the template http://127.0.0.1:9/fork.git" in pyops("update").stderr
    assert "carries no version of http://127.0.0.1:9/fork.git" in pyops("update", "--offline").stderr


def test_a_project_newer_than_the_command_says_what_to_upgrade(project: Path, pyops: Pyops, git: Git) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("v0.1.0", "v0.9.0"))
    git(project, "commit", "-qam", "From the future")
    done = pyops("update")
    assert (done.returncode, "upgrade pyops" in done.stderr, done.stderr.count("\n")) == (4, True, 1)
    assert "fail  version   The project is of v0.9.0, newer than this pyops" in pyops("doctor").stdout


def test_the_bundle_names_its_origin_without_the_token_it_was_cloned_with(
    carried: Path, template: Path, tmp_path: Path
) -> None:
    bundle.make(template, tmp_path / "ci", url="https://gitlab-ci-token:s3cret@git.invalid/pyops/pyops.git")
    assert json.loads((tmp_path / "ci/source.json").read_text()) == {"url": ADDRESS}


def test_the_bundle_holds_one_slim_commit_for_each_release(carried: Path, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "clone", "-q", str(carried / "template.bundle"), "slim")
    assert git(tmp_path / "slim", "log", "--format=%s").splitlines() == ["v0.2.0", "v0.1.0"]
    assert set(git(tmp_path / "slim", "ls-tree", "--name-only", "HEAD").splitlines()) <= set(bundle.CARRIED)


@pytest.mark.slow
@pytest.mark.network
def test_the_wheel_carries_it_also_by_way_of_the_source_distribution(
    tmp_path: Path, write: Write, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", ROOT.as_uri(), "clone")
    for file in (ROOT / "hatch_build.py", ROOT / "pyproject.toml", *(ROOT / "pyops_cli").glob("*.py")):
        (clone / file.relative_to(ROOT)).write_text(file.read_text())
    git(clone, "tag", "v0.1.0")
    monkeypatch.setenv("PYOPS_SOURCE", ADDRESS)
    subprocess.run([sys.executable, "-m", "uv", "build", "-q", "--out-dir", tmp_path / "dist", clone], check=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        assert json.loads(opened.read("pyops_cli/released/source.json")) == {"url": ADDRESS}
        assert len(opened.read("pyops_cli/released/template.bundle")) > 10_000
