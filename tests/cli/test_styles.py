"""`pyops dev` reports a class that no stylesheet has."""

from pathlib import Path

from pyops_cli.styles import unstyled


def test_a_class_that_no_stylesheet_has_is_reported_with_its_place(tmp_path: Path) -> None:
    page = '<p class="flex {{ tone }} sm:gap-2">\n<b class="nonsense {% if a %}p-{{ b }}{% endif %} mine">{{ "x" }}</b>'
    (tmp_path / "app/static").mkdir(parents=True)
    (tmp_path / "app/index.html").write_text(page)
    (tmp_path / "app/old.html").write_bytes(b"<b>caf\xe9</b>")  # of another editor: no reason to end
    (tmp_path / "core/static").mkdir(parents=True)
    (tmp_path / "core/static/core.css").write_text(r".flex,.sm\:gap-2{gap:0}")
    (tmp_path / "app/static/own.css").write_text(".mine { color: red }")
    assert unstyled(tmp_path) == ["app/index.html:2: no stylesheet has the class 'nonsense'; app/static/*.css may"]
