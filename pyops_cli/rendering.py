"""Copier, driven quietly: renders a template into a folder, and says in one line why it cannot."""

import contextlib
import io
import re
import warnings
from pathlib import Path
from typing import Any

from pyops_cli import bundle
from pyops_cli.errors import CommandError
from pyops_cli.git import reason
from pyops_cli.project import ANSWERS_FILE
from pyops_cli.source import HEAD, Source
from pyops_cli.versions import Template, version_of


def render(source: Source, folder: Path, *, data: dict[str, str], defaults: bool) -> None:
    """Ask the template's questions (none with `defaults`) and write the project into a folder."""
    import copier

    place = bundle.place(source)
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
        _record(folder, "_src_path", source.url)
    if source.is_live:  # a draft is no commit that anybody has, so the last real one is recorded
        _record(folder, "_commit", Template(Path(source.url), source, is_bundled=False).name(HEAD))
    elif version_of(source.ref):  # Copier may have found another tag of the same commit, one that moves
        _record(folder, "_commit", source.ref)


def render_version(
    template: Template, version: str, folder: Path, *, commit: str, data: dict[str, Any], without: list[str]
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
        raise CommandError(explain(error, Source(template.source.url, version), asked=f"{ANSWERS_FILE}, ")) from error
    if not (folder / ANSWERS_FILE).is_file():
        raise CommandError(f"{template.source.url} is no PyOps template at {version}: it wrote no {ANSWERS_FILE}.")
    _record(folder, "_src_path", template.source.url)
    _record(folder, "_commit", version)


def recorded_commit(folder: Path) -> str:
    """The revision that a later update starts from, as Copier wrote it."""
    import yaml

    answers = yaml.safe_load((folder / ANSWERS_FILE).read_text(encoding="utf-8"))
    return str(answers.get("_commit", ""))


def explain(error: Exception, source: Source, *, asked: str = "--data ") -> str:
    """Copier's failure as one line that says what to do; `asked` is where the answers come from."""
    from copier.errors import UnsafeTemplateError, UserMessageError
    from jinja2 import TemplateError
    from plumbum import ProcessExecutionError

    message = " ".join(str(error).split())
    if validation := re.search(r"Validation error for question '(\w+)': (.*)", message):
        return f"{asked}{validation[1]}: {validation[2]}"
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


def _record(folder: Path, name: str, value: str) -> None:
    """Write what updates go by, where Copier recorded a passing commit, or the copy of the template it was given."""
    import yaml

    file = folder / ANSWERS_FILE
    line = yaml.safe_dump({name: value}, width=10_000, allow_unicode=True).strip()
    recorded = re.compile(rf"^{name}: .*(?:\n .*)*$", re.MULTILINE)
    file.write_text(recorded.sub(lambda _: line, file.read_text(encoding="utf-8")), encoding="utf-8")
