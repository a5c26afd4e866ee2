"""`python -m pyops_cli`, the same as `pyops`."""

from pyops_cli.main import run

run()
