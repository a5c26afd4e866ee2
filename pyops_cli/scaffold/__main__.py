"""`pyops add` and `pyops remove`: run by the project's own Python, so that its own core decides what is written."""

import start  # noqa: F401, I001 - first of all: from here on Ctrl-C ends without a traceback
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))  # the project, before this folder

from commands import scaffold

from core.errors import CoreError

try:
    scaffold(prog_name="pyops")
except CoreError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)
