"""The command line itself: quick, and honest about its version."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
HELP_SECONDS = 0.3

Pyops = Callable[..., "subprocess.CompletedProcess[str]"]


def seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def test_help_names_every_command(pyops: Pyops) -> None:
    shown = pyops("--help").stdout
    assert [
        name for name in ("new", "update", "doctor", "core", "dev", "test", "run") if f"\n  {name} " not in shown
    ] == []


def test_help_is_there_at_once(pyops_process: Pyops) -> None:
    assert min(seconds(lambda: pyops_process("--help")) for _ in range(3)) < HELP_SECONDS


def test_copier_is_imported_only_where_it_is_needed() -> None:
    loaded = "import sys, pyops_cli.main; print({'copier', 'yaml', 'rich', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_version_is_one_line(pyops: Pyops) -> None:
    done = pyops("--version")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert done.stdout.startswith("pyops ")
