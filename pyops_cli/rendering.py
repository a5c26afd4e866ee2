"""Copier, driven quietly: renders a template into a folder, and says in one line why it cannot."""

import contextlib
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyops_cli import bundle
from pyops_cli.errors import CommandError
from pyops_cli.git import git, reason
from pyops_cli.source import Source

if TYPE_CHECKING:
    from pyops_cli.versions import Template

ANSWERS_FILE = ".copier-answers.yml"
RECORDED_COMMIT = re.compile(r"^_commit: .*$", re.MULTILINE)
RECORDED_SOURCE = re.compile(r"^_src_path: .*(?:\n .*)*$", re.MULTILINE)


def render(source: Source, folder: Path, *, data: dict[str, str], defaults: bool) -> None:
    """Ask the template's questions (none with `defaults`) and write the project into a folder."""
    import copier

    draft, place = source.is_draft, bundle.place(source)
    is_bundled = place != source.clone_url
    try:
        # Its progress, warnings and "using HEAD" notes go nowhere; questions are asked on standard output.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copier.run_copy(
                place if is_bundled else source.url,
                folder,
                data=data,
                vcs_ref=source.ref,
                defaults=defaults,
                quiet=True,
            )
    except KeyboardInterrupt:  # Copier's own kind is an Exception as well
        raise
    except Exception as error:
        raise CommandError(explain(error, source)) from error
    if not (folder / ANSWERS_FILE).is_file():
        raise CommandError(f"{source.url} is no PyOps template: it wrote no {ANSWERS_FILE}.")
    if is_bundled:
        _record_source(folder, url=source.url)
    if draft:
        _record_commit(folder, commit=git("describe", "--tags", "--always", cwd=Path(source.url)).strip())


def render_version(
    template: "Template", commit: str, folder: Path, *, data: dict[str, Any], without: list[str]
) -> None:
    """Write what a version of the template makes of a project's answers, without what is the user's own."""
    import copier

    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copier.run_copy(
                str(template.repository),
                folder,
                data=data,
                vcs_ref=commit,
                defaults=True,
                quiet=True,
                exclude=without,
            )
    except KeyboardInterrupt:
        raise
    except Exception as error:
        raise CommandError(explain(error, Source(template.source.url, commit))) from error
    if not (folder / ANSWERS_FILE).is_file():
        raise CommandError(f"{template.source.url} is no PyOps template at {commit}: it wrote no {ANSWERS_FILE}.")
    _record_source(folder, url=template.source.url)


def recorded_commit(folder: Path) -> str:
    """The revision that a later update starts from, as Copier wrote it."""
    import yaml

    answers = yaml.safe_load((folder / ANSWERS_FILE).read_text(encoding="utf-8"))
    return str(answers.get("_commit", ""))


def explain(error: Exception, source: Source) -> str:
    """Copier's failure as one line that says what to do."""
    from copier.errors import UnsafeTemplateError, UserMessageError
    from jinja2 import TemplateError
    from plumbum import ProcessExecutionError

    message = " ".join(str(error).split())
    if validation := re.search(r"Validation error for question '(\w+)': (.*)", message):
        return f"--data {validation[1]}: {validation[2]}"
    if isinstance(error, ProcessExecutionError):
        return f"Cannot read the template {source.url} at {source.ref}: {reason(str(error.stderr))}."
    if isinstance(error, UnsafeTemplateError):
        return f"{source.url} is no PyOps template: it wants to run code of its own."
    if isinstance(error, UserMessageError):
        if "interactive" in message.lower():
            return "There is no terminal to ask the questions on: add --defaults, or answer with --data."
        return message
    if isinstance(error, ValueError) and "Unknown revision" in message:
        return f"The template {source.url} has no revision {source.ref!r}."
    if isinstance(error, OSError):
        return f"Cannot write the project: {message}"
    place = f"{_template_file(error)}: " if isinstance(error, TemplateError) else ""
    return f"The template {source.url} is broken: {place}{message or type(error).__name__}"


def _template_file(error: Exception) -> str:
    name, line = getattr(error, "name", None), getattr(error, "lineno", None)
    return f"{name}:{line}" if name else type(error).__name__


def _record_commit(folder: Path, *, commit: str) -> None:
    """Start later updates from the last real commit: Copier recorded the passing one it made of the draft."""
    file = folder / ANSWERS_FILE
    file.write_text(RECORDED_COMMIT.sub(f"_commit: {commit}", file.read_text(encoding="utf-8")), encoding="utf-8")


def _record_source(folder: Path, *, url: str) -> None:
    """Name the real address: Copier recorded the copy of the repository on this machine that it was given."""
    import yaml

    file = folder / ANSWERS_FILE
    line = yaml.safe_dump({"_src_path": url}, width=10_000, allow_unicode=True).strip()
    file.write_text(RECORDED_SOURCE.sub(lambda _: line, file.read_text(encoding="utf-8")), encoding="utf-8")
