"""What an update of the domain monitor costs beside a bare `copier update` of the same project, as ratios.

`make bench-update`; `python benchmarks/update.py --json` for a program. Each command is a process of its own, run
alternately, and the best of its runs counts: others work on this machine, too.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 3
MOST = 1.3  # times a bare copier update
MOST_CHECK_S = 1.5
COMMANDS = {
    "copier update": ["-m", "copier", "update", "--defaults", "--quiet"],
    "pyops update": ["-m", "pyops_cli", "update", "--no-lock", "--no-tests"],
    "pyops update --plan": ["-m", "pyops_cli", "update", "--plan"],
    "pyops update --check": ["-m", "pyops_cli", "update", "--check"],
}
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


def git(folder: Path, *words: str) -> None:
    """Run git."""
    subprocess.run(["git", *AUTHOR, *words], cwd=folder, check=True, capture_output=True)


def prepared(home: Path) -> Path:
    """A domain monitor of version 0.1.0, and a template with a version 0.2.0 that changes every fifth file of core."""
    template, project = home / "template", home / "domain-monitor"
    git(home, "clone", "-q", str(ROOT), "template")
    git(template, "tag", "v0.1.0")
    for file in sorted((template / "template/core").rglob("*.py"))[::5]:
        file.write_text(f"{file.read_text()}# newer\n")
    git(template, "commit", "-qam", "Next")
    git(template, "tag", "v0.2.0")
    new = ["new", str(project), "--template", str(template), "--ref", "v0.1.0", "--example", "domain-monitor"]
    subprocess.run([sys.executable, "-m", "pyops_cli", *new, "--defaults"], check=True, capture_output=True)
    return project


def seconds(words: list[str], project: Path) -> float:
    """How long a command takes on a fresh copy of the project."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(project, Path(folder) / project.name)
        begin = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=copy, check=True, capture_output=True)
        return time.perf_counter() - begin


def measure() -> dict[str, float]:
    """The best time of each command."""
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as home:
        os.environ["COPIER_CACHE_DIR"] = f"{home}/mirrors"
        project = prepared(Path(home))
        runs = [{name: seconds(words, project) for name, words in COMMANDS.items()} for _ in range(RUNS)]
    return {name: min(run[name] for run in runs) for name in COMMANDS}


if __name__ == "__main__":
    best = measure()
    bare = best["copier update"]
    if "--json" in sys.argv:
        print(json.dumps({"seconds": best, "ratios": {name: taken / bare for name, taken in best.items()}}))
    else:
        for name, taken in best.items():
            print(f"{name:22} {taken:5.2f} s   {taken / bare:4.2f} of a copier update")
    missed = [name for name in ("pyops update", "pyops update --plan") if best[name] > MOST * bare]
    sys.exit(bool(missed) or best["pyops update --check"] > MOST_CHECK_S)
