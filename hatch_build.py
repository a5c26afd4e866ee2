"""Put the released versions of the template into the wheel and the source distribution, where there are any."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ReleasedVersions(BuildHookInterface):  # type: ignore[type-arg]
    """Make the slim bundle from this repository's tags; a source distribution brings its own."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make it and include it; an editable installation has the repository itself."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from pyops_cli import bundle
        from pyops_cli.errors import CommandError

        root = Path(self.root)
        place = root / "pyops_cli" / bundle.PLACE.name
        if (root / ".git").exists():
            released_at = os.environ.get("PYOPS_SOURCE")
            try:
                if url := released_at or _origin(root):
                    bundle.make(root, place, url=url)
            except CommandError as error:  # pip's own clone may hold too little; a release must be whole
                if released_at:
                    raise
                self.app.display_warning(f"no released versions of the template are carried: {error}")
        for file in place.glob("*") if place.is_dir() else []:
            build_data["force_include"][str(file)] = f"pyops_cli/{place.name}/{file.name}"


def _origin(root: Path) -> str:
    command = ["git", "remote", "get-url", "origin"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()
