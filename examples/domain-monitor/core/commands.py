"""Commands that look at the project rather than run it: write code into it, take a feature away, list its settings."""

import json

import click

from . import scaffold, settings
from .opening import load_app


@click.command()
@click.argument("kind", type=click.Choice(scaffold.KINDS))
@click.argument("name")
@click.argument("fields", nargs=-1, metavar="[FIELD:TYPE]...")
@click.option("--plural", default="", help="Of a resource: its folder and address.")
@click.option("--cron", default="", help="Of a job: when it runs, as in '0 6 * * *'.")
@click.option("--every", default="", help="Of a job or an alert: how often it runs, as in 15m.")
def add(kind: str, name: str, fields: tuple[str, ...], plural: str, cron: str, every: str) -> None:
    """Write a feature, or a page, job or alert of one (FEATURE/NAME), or a resource: server name:str port:int=443."""
    when = f'cron="{cron}"' if cron else f'every="{every}"' if every else ""
    for line in scaffold.add(kind, name, fields, plural=plural, when=when):
        click.echo(line)


@click.group()
def remove() -> None:
    """Take something away that was added."""


@remove.command("feature")
@click.argument("name")
@click.option("--drop-tables", is_flag=True, help="Write the revision that drops its tables, too.")
def remove_feature(name: str, drop_tables: bool) -> None:
    """Remove a feature: its folder, its line in app/main.py."""
    for line in scaffold.remove(name, drop_tables=drop_tables):
        click.echo(line)


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
