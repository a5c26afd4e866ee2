"""What a project remembers of its template: the address, the version, and the answers given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyops_cli.errors import Refused
from pyops_cli.project import ANSWERS_FILE
from pyops_cli.source import REMOTE, Source, without_credentials

HOW_TO_MEND = f"take it from an earlier commit: git log --oneline -- {ANSWERS_FILE}"


@dataclass(frozen=True)
class Answers:
    """The answers file of a project."""

    source: Source  # the recorded address, at the recorded version
    given: dict[str, Any]

    @property
    def commit(self) -> str:
        """The template's version that the project is made from, as `git describe` named it."""
        return self.source.ref


def read(root: Path) -> Answers:
    """The answers of a project; Refused when they cannot be read or say too little for an update."""
    import yaml

    try:
        loaded = yaml.safe_load((root / ANSWERS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Refused(f"{ANSWERS_FILE} is gone, so nobody knows the project's version: {HOW_TO_MEND}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"{ANSWERS_FILE} is damaged ({' '.join(str(error).split())}): {HOW_TO_MEND}.") from error
    if not isinstance(loaded, dict):
        raise Refused(f"{ANSWERS_FILE} is damaged (it holds no names and values): {HOW_TO_MEND}.")
    for name in ("_src_path", "_commit"):
        if not loaded.get(name):
            raise Refused(f"{ANSWERS_FILE} says no {name}, so there is nothing to update from: {HOW_TO_MEND}.")
    address = str(loaded["_src_path"])
    if not REMOTE.match(address) and not Path(address).is_absolute():
        raise Refused(
            f"{ANSWERS_FILE}: _src_path is {address!r}, which means another folder wherever one stands:"
            " write the template's whole address there and commit it."
        )
    if without_credentials(address) != address:
        raise Refused(
            f"{ANSWERS_FILE}: _src_path holds credentials, which everybody can read there: take them out and commit it;"
            " git asks its credential helper."
        )
    given = {name: value for name, value in loaded.items() if not name.startswith("_")}
    return Answers(Source(address, str(loaded["_commit"])), given)
