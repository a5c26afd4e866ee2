"""The real template: it renders whole, alike every time, and asks for no trust."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from jinja2 import Environment

from core.settings import Settings
from pyops_cli import creation
from pyops_cli.news import settings_of

ROOT = Path(__file__).parents[2]
MONITOR = ROOT / "examples" / "domain-monitor"
MAX_FILES = 150  # Copier pays one git process for each
MAX_QUESTIONS = 5
OF_CORE = {name.upper() for name in Settings.model_fields}
FIXED_IN_THE_IMAGE = {"DATA_DIR", "HOST"}


def files(project: Path) -> dict[str, bytes]:
    return {str(f.relative_to(project)): f.read_bytes() for f in project.rglob("*") if f.is_file()}


def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
    return loaded


def questions() -> dict[str, dict[str, Any]]:
    return {name: value for name, value in config().items() if not name.startswith("_")}


def test_the_template_renders(copie: Any) -> None:
    result = copie.copy(template_dir=ROOT)
    assert (result.exit_code, result.exception) == (0, None)
    assert set(result.answers) == set(questions())


@pytest.mark.parametrize(
    "name",
    ["pyproject.toml", "README.md", ".copier-answers.yml", ".gitignore", ".dockerignore", ".env.example"],
)
def test_a_project_has_its_skeleton(project: Path, name: str) -> None:
    assert (project / name).is_file()


def composed(folder: Path, *, env: str) -> dict[str, str]:
    """What the container of a folder's compose files has in its environment, with this text as `.env`."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    (folder / ".env").write_text(env)
    command = ["docker-compose", "config"]
    done = subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
    found: dict[str, str] = yaml.safe_load(done.stdout)["services"]["tool"]["environment"]
    return {name: str(value).replace("$$", "$") for name, value in found.items() if value is not None}


def test_env_example_and_compose_know_every_setting_of_core(project: Path) -> None:
    offered = set(re.findall(r"^# ([A-Z_]+)=", (project / ".env.example").read_text(), re.MULTILINE))
    service = yaml.safe_load((project / "compose.yaml").read_text())["services"]["tool"]
    assert set(service["environment"]) == offered == OF_CORE


def test_every_setting_in_env_reaches_the_container(project: Path, tmp_path: Path) -> None:
    for name in ("compose.yaml", "compose.override.yaml"):
        shutil.copy(MONITOR / name if "override" in name else project / name, tmp_path)
    names = (OF_CORE | settings_of(MONITOR, "app")) - FIXED_IN_THE_IMAGE
    values = {name: f"17{len(name)}" for name in names}
    found = composed(tmp_path, env="".join(f"{name}={value}\n" for name, value in values.items()))
    assert {name: found.get(name) for name in names} == values
    assert {name: found[name] for name in FIXED_IN_THE_IMAGE} == {"DATA_DIR": "/data", "HOST": "0.0.0.0"}


@pytest.mark.parametrize(("quote", "url"), [("", "json://me:it's@h/?a=b#c"), ("'", "json://h/?a=$b #c")])
def test_json_in_env_reaches_the_container_as_it_is_written(
    quote: str, url: str, project: Path, tmp_path: Path
) -> None:
    shutil.copy(project / "compose.yaml", tmp_path)
    written = f'[{{"name": "ops", "url": "{url}"}}]'
    found = composed(tmp_path, env=f"NOTIFY={quote}{written}{quote}\n")
    assert found["NOTIFY"] == written
    assert "TIMEZONE" not in found


def test_a_project_has_few_files(project: Path) -> None:
    assert len(files(project)) < MAX_FILES


def test_no_template_syntax_is_left(project: Path) -> None:
    assert [name for name in files(project) if "{" in name or name.endswith(".jinja")] == []
    rendered = [f.name.removesuffix(".jinja") for f in (ROOT / "template").glob("*.jinja") if "{" not in f.name]
    assert [name for name in rendered if re.search(r"\{\{|\{%", (project / name).read_text())] == []


def test_no_python_file_is_rendered() -> None:
    assert list((ROOT / "template").rglob("*.py.jinja")) == []
    assert [f for f in (ROOT / "template").rglob("*.py") if "{{" in str(f)] == []


def test_the_answers_say_where_updates_come_from(project: Path) -> None:
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert answers["_src_path"] == str(ROOT)
    assert re.fullmatch(r"[0-9a-f]{7,}|v.+", str(answers["_commit"]))


def test_the_readme_leads_to_the_guide(project: Path) -> None:
    text = (project / "README.md").read_text()
    assert "`docs/guide.md` of PyOps" in text and "pyops update" in text and "pyops add --help" in text


@pytest.mark.parametrize("address", ["https://example.com/pyops", "git+https://example.com/pyops.git"])
def test_the_readme_links_to_the_guide_where_the_template_has_an_address(address: str) -> None:
    text = (ROOT / "template" / "README.md.jinja").read_text().partition("{% set home")[2].partition("; the comp")[0]
    environment = Environment(autoescape=False)
    environment.filters["regex_replace"] = lambda value, pattern, by: re.sub(pattern, by, value)
    shown = environment.from_string("{% set home" + text).render(_copier_conf={"src_path": address})
    assert "[the guide](https://example.com/pyops/blob/HEAD/docs/guide.md)" in shown


def test_a_second_render_is_identical(project: Path, tmp_path: Path) -> None:
    copier.run_copy(str(ROOT), tmp_path / "my-tool", vcs_ref="HEAD", defaults=True, quiet=True)
    again, first = files(tmp_path / "my-tool"), files(project)
    # Uncommitted work is committed anew for each render; the commit's name is all that may differ.
    assert again.keys() == first.keys()
    assert {name for name in first if first[name] != again[name]} <= {".copier-answers.yml"}


def test_nothing_asks_for_trust() -> None:
    assert config().keys().isdisjoint({"_tasks", "_migrations", "_jinja_extensions", "_external_data"})


def test_there_are_few_questions_each_with_a_default() -> None:
    assert len(questions()) <= MAX_QUESTIONS
    assert [name for name, asked in questions().items() if "default" not in asked] == []
    assert [name for name, asked in questions().items() if asked.get("secret")] == []


def test_any_text_makes_a_valid_pyproject(tmp_path: Path) -> None:
    text = 'A "tool" \\ für Ümläute 🚀 {{ 1 }} # no comment'
    copier.run_copy(
        str(ROOT),
        tmp_path / "x",
        vcs_ref="HEAD",
        defaults=True,
        quiet=True,
        data={"title": text, "description": text},
    )
    pyproject = tomllib.loads((tmp_path / "x/pyproject.toml").read_text())
    assert pyproject["project"]["description"] == pyproject["tool"]["pyops"]["title"] == text


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("tool", True),
        ("my-tool-2", True),
        ("a", True),
        ("a" * 50, True),
        ("a" * 51, False),
        ("My-tool", False),
        ("2nd", False),
        ("my_tool", False),
        ("my--tool", False),
        ("-tool", False),
        ("tool-", False),
        ("tool\n", False),
        ("töol", False),
        ("", False),
    ],
)
def test_the_command_and_the_template_agree_on_names(name: str, is_good: bool, tmp_path: Path) -> None:
    assert creation.is_name(name) is is_good
    try:
        copier.run_copy(
            str(ROOT),
            tmp_path / "x",
            vcs_ref="HEAD",
            defaults=True,
            quiet=True,
            data={"project_name": name},
            pretend=True,
        )
        accepted = True
    except ValueError:
        accepted = False
    assert accepted is is_good


@pytest.mark.parametrize("folder", ["My Tool", "2nd_tool--", "TOOL.v2"])
def test_plain_copier_finds_a_good_name_in_any_folders_name(folder: str, tmp_path: Path) -> None:
    copier.run_copy(str(ROOT), tmp_path / folder, vcs_ref="HEAD", defaults=True, quiet=True)
    answers = yaml.safe_load((tmp_path / folder / ".copier-answers.yml").read_text())
    assert creation.is_name(answers["project_name"])
