"""The `pyops` command: makes a project from the template and runs it with uv."""
