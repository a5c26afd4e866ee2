"""Ask the registry about one name: `python -m app.rdap NAME [--base-url URL]`.

One JSON object on standard output; what the registry does not say is null. A failure is one line on standard error
and exit code 1. Of a sub-domain, the registered name is asked about. Without --base-url the server is the one in
IANA's list as it was shipped.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import NoReturn

from app.domains import domain_name
from app.rdap.bootstrap import shipped
from app.rdap.names import registered_name
from app.rdap.server import Server
from core.errors import CoreError, UserError

LONGEST_TIMEOUT_S = 600


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage text."""
        raise UserError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask and print; the exit code."""
    try:
        print(json.dumps(_asked(_parser().parse_args(arguments))))
        return 0
    except (CoreError, ValueError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1


def _asked(given: argparse.Namespace) -> dict[str, object]:
    if not 1 <= given.timeout <= LONGEST_TIMEOUT_S:
        raise UserError(f"--timeout takes 1 to {LONGEST_TIMEOUT_S} seconds")
    name = registered_name(domain_name(given.name), with_private=bool(given.base_url))
    base_url = given.base_url or shipped().server_of(name)
    if base_url is None:
        what = f"{name}: IANA lists no RDAP server for its suffix ({shipped().publication[:10]})"
        raise UserError(f"{what}; if the registry has one, name it with --base-url")
    with Server(base_url, is_trusted=bool(given.base_url), timeout_s=given.timeout) as server:
        return server.ask(name).as_json()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m app.rdap", description=__doc__, allow_abbrev=False)
    parser.add_argument("name", help="a domain name, as people write it or as the DNS has it")
    parser.add_argument("--base-url", default="", metavar="URL", help="the RDAP server to ask, up to /domain/")
    parser.add_argument("--timeout", type=int, default=20, metavar="SECONDS", help="for one request (20)")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
