"""The commands `add` and `remove`, as the project's own Python runs them."""

import click
import writing


@click.group()
def scaffold() -> None:
    """Write code into the project, or take a feature away."""


@scaffold.command()
@click.argument("kind", type=click.Choice(writing.KINDS))
@click.argument("name", default="")
@click.argument("fields", nargs=-1, metavar="[FIELD:TYPE]...")
@click.option("--plural", default="", help="Of a resource: its folder and address.")
@click.option("--cron", default="", help="Of a job: when it runs, as in '0 6 * * *'.")
@click.option("--every", default="", help="Of a job or an alert: how often it runs, as in 15m.")
def add(kind: str, name: str, fields: tuple[str, ...], plural: str, cron: str, every: str) -> None:
    """Write a feature, a page, job or alert of one (FEATURE/NAME), oidc, or a resource: server name:str port:int."""
    when = f'cron="{cron}"' if cron else f'every="{every}"' if every else ""
    for line in writing.add(kind, name, fields, plural=plural, when=when):
        click.echo(line)


@scaffold.group()
def remove() -> None:
    """Take something away that was added."""


@remove.command("feature")
@click.argument("name")
@click.option("--drop-tables", is_flag=True, help="Write the revision that drops its tables, too.")
@click.option("--force", is_flag=True, help="Also what git does not have: it is gone for good.")
def remove_feature(name: str, drop_tables: bool, force: bool) -> None:
    """Remove a feature: its folder, its line in app/main.py."""
    for line in writing.remove(name, drop_tables=drop_tables, force=force):
        click.echo(line)
