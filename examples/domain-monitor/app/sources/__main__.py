"""Try a registrar account without saving it: `python -m app.sources KIND --set key=value …`.

One JSON object per domain on standard output, remarks on standard error. The exit code is 0 only when the
list is complete; an incomplete one is printed as far as it came, but exits with 1 like any failure, and one
line on standard error says what is missing.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import urlsplit

from app.sources.kinds import KINDS, kind_of
from core.errors import CoreError, UserError

LONGEST_TIMEOUT_S = 600
ATTEMPTS = 3  # one fewer than the scheduled read: somebody is waiting


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage text."""
        raise UserError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """List the kinds of sources, or read one account; the exit code."""
    try:
        given = _parser().parse_args(arguments)
        return _read(given) if given.kind else _list_kinds()
    except CoreError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m app.sources", description=__doc__, allow_abbrev=False)
    parser.add_argument("kind", nargs="?", help="a registrar; without one, the kinds and their fields are listed")
    parser.add_argument("--base-url", default="", help="a server that stands in: its scheme, host and port are used")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a credential; repeat it")
    parser.add_argument("--timeout", type=int, default=30, metavar="SECONDS", help="for one request (30)")
    return parser


def _list_kinds() -> int:
    for kind in KINDS.values():
        fields = " ".join(field.name if field.required else f"[{field.name}]" for field in kind.fields)
        print(f"{kind.name:<12} {fields:<50} {kind.label} {kind.base_url}".rstrip())
    return 0


def _read(given: argparse.Namespace) -> int:
    kind = kind_of(given.kind)
    credentials = dict(_pair(text) for text in given.set)
    account = kind.account(
        credentials,
        base_url=given.base_url,
        timeout_s=given.timeout,
        attempts=ATTEMPTS,
        allow_internal=True,  # whoever types this has a shell on this machine, and may ask what it can reach
    )
    if not 1 <= given.timeout <= LONGEST_TIMEOUT_S:
        raise UserError(f"--timeout takes 1 to {LONGEST_TIMEOUT_S} seconds")
    if path := urlsplit(given.base_url).path.strip("/"):
        print(f"note: /{path} of the base URL is not used; the registrar's own path stays", file=sys.stderr)
    listing = kind.read(account)
    for registration in listing.registrations:
        print(json.dumps(registration.as_json()))
    if not listing.complete:
        raise UserError(f"{kind.label}: incomplete: {'; '.join(listing.notes)}")
    for note in listing.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError("--set takes KEY=VALUE")  # the text itself may be a secret
    return name.strip(), value


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends quietly
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
