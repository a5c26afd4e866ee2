"""`pyops new`: a project that appears whole or not at all."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pyops_cli.checkout import Checkout, opened
from pyops_cli.errors import CommandError, Interrupted
from pyops_cli.git import SIGNED_BY_FALLBACK, GitError, begin_repository, is_ignored, top_level
from pyops_cli.news import package
from pyops_cli.rendering import recorded_commit, render
from pyops_cli.source import Source

# The rule of `project_name` in copier.yml; a test holds the two together.
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NAME_LENGTH = 50

# A tag, as `git describe` gives it for a released template; anything else is a commit between releases.
RELEASE = re.compile(r"v?\d+(\.\d+)+((a|b|rc|\.post|\.dev)\d+)*$")

TAKEN_FROM_EXAMPLE = ("app", "tests", "migrations", "compose.override.yaml")
NO_DEPENDENCIES = "\ndependencies = []\n"


@dataclass(frozen=True)
class Order:
    """What `pyops new` was asked to make."""

    folder: Path
    source: Source
    example: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    defaults: bool = False
    git: bool = True


@dataclass(frozen=True)
class Created:
    """What came of it."""

    commit: str
    draft: bool
    signed_by_fallback: bool


def create(order: Order) -> Created:
    """Make the project beside its place, then move it there."""
    check_folder(order.folder, named=order.data.get("project_name"))
    if order.git:
        _check_not_in_a_template(order.folder)
    draft = order.source.is_draft
    with _staged(order.folder) as stage:
        if order.example or order.data:
            with opened(order.source, examples=order.example is not None) as checkout:
                _check_data(order.data, checkout)
                example = _example(order.example, checkout)
                render(order.source, stage, data=order.data, defaults=order.defaults)
                if example:
                    _take(example, checkout, into=stage)
        else:
            render(order.source, stage, data={}, defaults=order.defaults)
        _check_name_is_free(stage)
        known = _first_commit(stage) if order.git else True
        commit = recorded_commit(stage)
    return Created(commit=commit, draft=draft, signed_by_fallback=not known)


def notes(order: Order, created: Created) -> Iterator[str]:
    """What the maker should know about the new project, one line each."""
    if not RELEASE.match(created.commit):
        yield (
            f"the template is {order.source.url} at {created.commit}, which is no release"
            f"{' (and not all of it is committed: commit it before you update)' if created.draft else ''};"
            " an update moves to the next release, or to its HEAD while there is none."
        )
    if created.signed_by_fallback:
        yield SIGNED_BY_FALLBACK
    if not order.git:
        yield "no repository was made; copier update needs one."


def is_name(text: str) -> bool:
    """The text can be a project's name."""
    return len(text) <= NAME_LENGTH and NAME.fullmatch(text) is not None


def check_folder(folder: Path, *, named: str | None = None) -> None:
    """Raise when a project cannot be made there, or the folder's name is none for a project."""
    if named is None and not is_name(folder.name):
        raise CommandError(
            f'"{folder.name}" is no name for a project: use at most {NAME_LENGTH} lower-case letters, digits'
            f" and single hyphens, beginning with a letter, like {_suggestion(folder.name)}."
        )
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise CommandError(f"{folder} is in the way: it is no folder. Choose another name, or move it.")
    if folder.is_dir() and any(folder.iterdir()):
        raise CommandError(f"{folder} exists and is not empty. Choose another name, or move it out of the way.")
    if not folder.parent.is_dir():
        raise CommandError(f"There is no folder {folder.parent} to make {folder.name} in: make it first.")


def _check_not_in_a_template(folder: Path) -> None:
    """Raise where a project would be taken for a submodule of the template, which then cannot be copied any more."""
    home = folder if folder.is_dir() else folder.parent
    try:
        top = top_level(home)
    except GitError:
        return
    if (top / "copier.yml").is_file() and (top / "template").is_dir() and not is_ignored(folder):
        place = top.parent / folder.name
        raise CommandError(f"{top} is the template's own repository: make the project outside, as in {place}.")


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A hidden folder on the same disk that takes its place at the end, and vanishes when anything fails."""
    home = folder if folder.is_dir() else folder.parent
    try:
        hidden = Path(mkdtemp(prefix=".pyops-", dir=home))
    except OSError as error:
        raise CommandError(f"Cannot write in {home}: {error.strerror}.") from error
    stage = hidden / folder.name  # the same last name: the template's defaults come from it
    try:
        yield stage
        _move(stage, folder)
    except KeyboardInterrupt as error:
        raise Interrupted("Stopped; nothing was written.") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _move(stage: Path, folder: Path) -> None:
    if not folder.exists():
        stage.rename(folder)
        return
    # The folder was there, empty, and may be where the shell stands: fill it, do not replace it.
    names = [entry.name for entry in stage.iterdir()]
    try:
        for name in names:
            (stage / name).rename(folder / name)
    except BaseException:  # all of it or nothing
        for name in names:
            if not (stage / name).exists():
                (folder / name).rename(stage / name)
        raise


def _check_data(data: dict[str, str], checkout: Checkout) -> None:
    questions = checkout.questions()
    for key in data:
        if key not in questions:
            raise CommandError(f"--data {key}: the template asks no such question; it asks {', '.join(questions)}.")


def _example(name: str | None, checkout: Checkout) -> Path | None:
    if name is None:
        return None
    names = checkout.examples()
    if name not in names:
        there = f"there are {', '.join(names)}" if names else "this template has none"
        raise CommandError(f"There is no example {name!r}: {there}.")
    return checkout.root / "examples" / name


def _take(example: Path, checkout: Checkout, *, into: Path) -> None:
    """Replace what is the user's by the example's: code, tests, migrations and its own dependencies."""
    for name in TAKEN_FROM_EXAMPLE:
        shutil.rmtree(into / name, ignore_errors=True)
        if (example / name).is_dir():
            checkout.copy(example / name, into=into / name)
        elif (example / name).is_file():
            shutil.copy(example / name, into / name)
    pyproject = into / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    dependencies = _pyproject(example)["project"].get("dependencies")
    if dependencies:
        lines = "".join(f'    "{dependency}",\n' for dependency in dependencies)
        text = text.replace(NO_DEPENDENCIES, f"\ndependencies = [\n{lines}]\n", 1)
    pyproject.write_text(text, encoding="utf-8")


def _check_name_is_free(stage: Path) -> None:
    """A project named like a package it needs would need itself, and could never be installed."""
    pyproject = _pyproject(stage)
    name = pyproject["project"]["name"]
    groups = [pyproject["project"].get("dependencies", []), *pyproject.get("dependency-groups", {}).values()]
    needed = {package(entry) for group in groups for entry in group if isinstance(entry, str)}
    if name in needed:
        raise CommandError(f'"{name}" is a package that the project itself needs: choose another name.')


def _pyproject(folder: Path) -> dict[str, Any]:
    try:
        pyproject = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        pyproject["project"]["name"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise CommandError(f"The template is broken: no usable pyproject.toml in {folder.name}: {error}") from error
    return pyproject


def _first_commit(stage: Path) -> bool:
    try:
        return begin_repository(stage, message=f"Begin {stage.name}")
    except GitError as error:
        raise CommandError(f"git could not make the first commit: {error}; --no-git goes without.") from error


def _suggestion(name: str) -> str:
    plain = re.sub(r"^[^a-z]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", name.lower()))[:NAME_LENGTH].rstrip("-")
    return plain or "my-tool"
