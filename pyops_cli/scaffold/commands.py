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
    """Write code into app/, with its tests; it is yours, to read and change.

    \b
    KIND and NAME:
      feature run_books         an empty folder
      resource server FIELD…    a table with its pages, form, tests and revision
      page servers/map          a page of a feature; the same for job and alert
      oidc                      signing in with Keycloak, Entra, Google

    \b
    FIELD:TYPE of a resource:
      str text int float decimal bool date datetime
      a|b|c                     one of these
      ref                       a row of the table of that name, or owner:ref=person
      after the type            ? may stay empty, ! unique, ^ indexed, =443 the default

    \b
    Examples:
      pyops add resource server name:str! port:int=443 'expires:date?' 'kind:web|db'
      pyops add job servers/sync --cron "0 6 * * *"
    """
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
