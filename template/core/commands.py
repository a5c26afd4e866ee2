"""The command that lists the project's settings."""

import json

import click

from . import settings
from .opening import load_app


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_settings(as_json: bool) -> None:
    """List every setting: its value, where that came from, what it is for."""
    rows = settings.listing(settings.load(load_app().settings_class))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:22} {row['value']:32} {row['source']:12} {row['description']}")
