"""What `add` wrote, by its hash: a folder that is still so can be had again, and needs no commit to be removed."""

import hashlib
import subprocess
from pathlib import Path

from core.settings import PROJECT


def remember(folder: Path) -> None:
    """Keep the hash of a folder inside .git, where nobody commits it; nothing without a repository."""
    if record := _record(folder):
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(_hash(folder))


def is_as_written(folder: Path) -> bool:
    """Whether a folder is to the byte what `add` wrote."""
    record = _record(folder)
    return record is not None and record.is_file() and record.read_text() == _hash(folder)


def _record(folder: Path) -> Path | None:
    command = ["git", "rev-parse", "--git-path", f"pyops-added/{folder.name}"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return PROJECT / done.stdout.rstrip("\n") if done.returncode == 0 else None


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)} ".encode() + content)
    return digest.hexdigest()
