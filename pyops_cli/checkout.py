"""The template's files on disk at the chosen revision: its questions and its examples."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pyops_cli import bundle
from pyops_cli.errors import CommandError
from pyops_cli.git import GitError, git
from pyops_cli.source import Source


@dataclass(frozen=True)
class Checkout:
    """A working tree of the template."""

    root: Path

    def questions(self) -> list[str]:
        """The names that `--data` may set."""
        import yaml

        try:
            config = yaml.safe_load((self.root / "copier.yml").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise CommandError(f"{self.root} is no template: it has no copier.yml.") from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise CommandError(f"The template is broken: copier.yml is no YAML: {_one_line(error)}") from error
        return [name for name in config or {} if not name.startswith("_")]

    def examples(self) -> list[str]:
        """The names that `--example` may take."""
        return sorted(folder.parent.name for folder in self.root.glob("examples/*/app") if folder.is_dir())

    def copy(self, folder: Path, *, into: Path) -> None:
        """Copy the files of a folder that git tracks or would add: no caches, no data, no secrets."""
        listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", cwd=folder)
        for name in filter(None, listed.split("\0")):
            if (folder / name).is_file():
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(folder / name, into / name)


@contextmanager
def opened(source: Source, *, examples: bool) -> Iterator[Checkout]:
    """The template's own folder when it is rendered as it lies there, else a clone that goes away again.

    What this package carries of a template is without its examples.
    """
    if source.is_live:
        yield Checkout(Path(source.url))
        return
    with TemporaryDirectory(prefix="pyops-") as folder:
        root = Path(folder) / "template"
        try:
            address = source.clone_url if examples else bundle.place(source)
            git("clone", "--quiet", "--no-checkout", "--", address, str(root), cwd=Path(folder))
            git("checkout", "--quiet", source.ref, "--", cwd=root)
        except GitError as error:
            raise CommandError(f"Cannot read the template {source.url} at {source.ref}: {error}.") from error
        yield Checkout(root)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
