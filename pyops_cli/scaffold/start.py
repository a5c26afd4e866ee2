"""Runs a module of the project, as `python -m` does, and ends at Ctrl-C without a traceback, whatever is imported."""

import runpy
import sys
from pathlib import Path
from types import TracebackType


def _said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _said  # also in the processes that a reload starts, for they import this file first

if __name__ == "__main__":
    module = sys.argv.pop(1)
    sys.argv[0] = f"python -m {module}"  # as help calls it
    sys.path[0] = str(Path.cwd())
    runpy.run_module(module, run_name="__main__")
