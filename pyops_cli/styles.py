"""The classes that a project's templates use and no stylesheet has: Tailwind is built ahead of time."""

import re
from pathlib import Path

_CLASS = re.compile(r"\.((?:\\.|[\w-])+)")
_JINJA = re.compile(r"{{.*?}}|{%.*?%}")
_USED = re.compile(r'class="((?:[^"{]|{{.*?}}|{%.*?%})*)"')


def unstyled(root: Path) -> list[str]:
    """The classes in the project's templates that no stylesheet has, with their places."""
    app = root / "app"
    sheets = [*root.glob("core/static/core.css"), *app.glob("static/**/*.css")]
    known = {
        name.replace("\\", "")
        for sheet in sheets
        for name in _CLASS.findall(sheet.read_text(encoding="utf-8", errors="replace"))
    }
    found = []
    for path in sorted(app.rglob("*.html")):
        for n, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            used = {name for value in _USED.findall(line) for name in _JINJA.sub("{}", value).split()}
            place = f"{path.relative_to(root)}:{n}"
            found += [
                f"{place}: no stylesheet has the class {name!r}; app/static/*.css may"
                for name in used - known
                if "{}" not in name
            ]
    return found
