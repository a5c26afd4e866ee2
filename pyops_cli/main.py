"""The command line: what each command is called, takes and says."""

import io
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from pyops_cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, CommandError

app = typer.Typer(
    help="Make an internal tool from the PyOps template, and run it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
NO_HELP: dict[str, Any] = {"help_option_names": []}  # the project's own command has more to say


def run() -> None:
    """The `pyops` script: a CommandError becomes one line and an exit code, and so does a disk that refuses."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show must not end the command
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="pyops")
    except CommandError as error:
        print(f"pyops: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno is None:
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(f"pyops: {place}{error.strerror}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"pyops {version('pyops-kit')}")
        except PackageNotFoundError:
            typer.echo("pyops (not installed)")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Make an internal tool from the PyOps template, and run it."""


SCAFFOLD = str(Path(__file__).with_name("scaffold"))  # a folder that the project's own Python runs
START = str(Path(SCAFFOLD, "start.py"))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder to make; its name is the project's.")],
    example: Annotated[str | None, typer.Option(metavar="NAME", help="Begin with a finished example.")] = None,
    template: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The template's repository: an address or a folder. Also PYOPS_TEMPLATE."),
    ] = None,
    ref: Annotated[str | None, typer.Option(metavar="REF", help="The template's tag, branch or commit.")] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing.")] = False,
    data: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Answer a question; may be repeated.")
    ] = None,
    no_git: Annotated[bool, typer.Option("--no-git", help="Make no repository and no first commit.")] = False,
) -> None:
    """Make a new project."""
    from pyops_cli import creation, git, source

    answers = _answers(data or [])
    git.prepare()
    _end_cleanly_when_terminated()
    folder = Path(os.path.abspath(name))  # noqa: PTH100 - not resolve(): a link in the way must be seen
    creation.check_folder(folder, named=answers.get("project_name"))
    order = creation.Order(
        folder=folder,
        source=source.choose(template, ref=ref),
        example=example,
        data=answers,
        defaults=defaults,
        git=not no_git,
    )
    created = creation.create(order)
    for note in creation.notes(order, created):
        print(f"pyops: {note}", file=sys.stderr)
    _tell_what_next(folder, name)


@app.command()
def update(
    plan: Annotated[bool, typer.Option("--plan", help="Say what would change; change nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say whether there is a newer version, quickly.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="After conflicts: see that none is left; try it.")] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Bring back every byte of before the update.")] = False,
    to: Annotated[str | None, typer.Option(metavar="REF", help="The version; the newest release otherwise.")] = None,
    pre: Annotated[bool, typer.Option("--pre", help="Pre-releases count as releases.")] = False,
    branch: Annotated[str | None, typer.Option(metavar="NAME", help="Commit the update on a new branch.")] = None,
    template: Annotated[str | None, typer.Option(metavar="URL", help="Where the template is now.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only the versions that this command carries.")] = False,
    no_lock: Annotated[bool, typer.Option("--no-lock", help="Leave uv.lock as it is.")] = False,
    no_tests: Annotated[bool, typer.Option("--no-tests", help="Try nothing: no migration, no test.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Bring core/ and the shared files to a newer version; what is yours stays.

    Exit codes: 0 clean, 3 conflicts, 4 refused, 5 the project's tests fail, 1 another error.
    """
    from pyops_cli import git, project, trial, updating

    if sum((plan, check, finish, abort)) > 1:
        raise typer.BadParameter("--plan, --check, --finish and --abort exclude each other")
    git.prepare()
    _end_cleanly_when_terminated()
    root = project.find_root(Path.cwd())
    notices: list[str] = []
    tell = notices.append if as_json else _notice
    wanted = trial.Wanted(lock=not no_lock, tests=not no_tests)
    order = updating.Order(root, to, pre, template, offline, branch, wanted)
    if abort:
        outcome = updating.abort(root)
    elif finish:
        outcome = updating.finish(root, wanted, tell=tell)
    elif check or plan:
        outcome = (updating.check if check else updating.plan)(order)
    else:
        outcome = updating.apply(order, tell=tell)
    _answer({**outcome.data, "notices": notices} if as_json else "\n".join(outcome.lines))
    raise typer.Exit(outcome.exit_code)


@app.command()
def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Only the versions that this command carries.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Say what is wrong with the project or this machine, and how to mend it; exit code 1 when something is."""
    from pyops_cli import doctor, git, project

    git.prepare()
    found = doctor.examine(project.find_root(Path.cwd()), offline=offline)
    _answer(doctor.as_json(found) if as_json else doctor.as_text(found))
    raise typer.Exit(0 if doctor.as_json(found)["ok"] else EXIT_FAILED)


core = typer.Typer(help="The framework's folder, core/.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(core, name="core")


@core.command()
def restore(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="All of core/ otherwise.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Only the versions that this command carries.")] = False,
) -> None:
    """Bring core/ back to the project's own version; what is in no commit is kept as a patch."""
    from pyops_cli import git, pristine, project

    git.prepare()
    written = pristine.restore(project.find_root(Path.cwd()), files or [], offline=offline, tell=_notice)
    _answer("\n".join(f"restored {path}" for path in written) or "core/ is as its version has it.")


@app.command(context_settings=PASS_ON)
def dev(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
) -> None:
    """Install what is needed, migrate, and serve with reload."""
    from pyops_cli import environment, project, styles

    root = project.find_root(Path.cwd())
    wrong = [f"{each.text}: {each.fix}" for each in environment.problems(root)]
    for line in [*styles.unstyled(root), *wrong]:
        print(f"pyops: {line}", file=sys.stderr)
    chosen = [f"--host={host}"] if host else []
    chosen += [f"--port={port}"] if port is not None else []
    _run_in_project(START, "core", "dev", *chosen, *context.args)


@app.command(context_settings=PASS_ON)
def test(context: typer.Context) -> None:
    """Run the project's tests; what follows goes to pytest."""
    _run_in_project(START, "pytest", *context.args)


@app.command(name="run", context_settings=PASS_ON)
def run_core(context: typer.Context) -> None:
    """Run `python -m core ARGS` in the project: pyops run -- jobs list."""
    _run_in_project(START, "core", *context.args)


@app.command(context_settings=PASS_ON | NO_HELP)
def add(context: typer.Context) -> None:
    """Write a feature, resource, page, job, alert or oidc into app/: pyops add resource server name:str."""
    _run_in_project(SCAFFOLD, "add", *context.args)


@app.command(context_settings=PASS_ON | NO_HELP)
def remove(context: typer.Context) -> None:
    """Take a feature away, folder and line: pyops remove feature NAME."""
    _run_in_project(SCAFFOLD, "remove", *context.args)


def _run_in_project(*arguments: str) -> None:
    from pyops_cli import project

    root = project.find_root(Path.cwd())
    if not (root / "core").is_dir():
        raise CommandError("core/ is gone: bring it back with git, or with: pyops core restore")
    project.install(root)
    os.chdir(root)
    project.run(root, arguments)


def _notice(line: str) -> None:
    print(f"pyops: {line}", file=sys.stderr)


def _answer(given: str | dict[str, object]) -> None:
    typer.echo(given if isinstance(given, str) else json.dumps(given, indent=2))


def _answers(data: list[str]) -> dict[str, str]:
    answers = {}
    for item in data:
        key, equals, value = item.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{item!r} is not of the form key=value", param_hint="--data")
        answers[key] = value
    return answers


def _end_cleanly_when_terminated() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it, to go on without a terminal
            signal.signal(number, stop)


def _tell_what_next(folder: Path, name: str) -> None:
    typer.echo(f"{folder.name} is ready. Next:")
    if folder != Path.cwd():
        typer.echo(f"  cd {shlex.quote(name)}")
    typer.echo("  pyops dev")
