"""Which template `pyops new` takes when nobody, the user, or the installation says so."""

import functools
import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from pyops_cli import source

ROOT = Path(__file__).parents[2]

Write = Callable[[Path, dict[str, str]], Path]
Git = Callable[..., str]
Pyops = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[[dict[str, object]], None]


@pytest.fixture
def repository(tmp_path: Path, write: Write, git: Git) -> Callable[[str], Path]:
    """Make an empty repository."""

    def make(name: str) -> Path:
        folder = write(tmp_path / name, {"copier.yml": ""})
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Begin")
        return folder

    return make


@pytest.fixture
def installed(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Let this command be installed, version 1.2.0, from somewhere (PEP 610)."""

    def install(origin: dict[str, object]) -> None:
        record = {"METADATA": "Name: pyops-kit\nVersion: 1.2.0\n", "direct_url.json": json.dumps(origin)}
        write(tmp_path / "site/pyops_kit-1.2.0.dist-info", record)
        monkeypatch.syspath_prepend(tmp_path / "site")

    return install


@pytest.fixture
def configured(write: Write) -> Callable[[str], None]:
    """Write the user's config file."""
    return lambda text: (write(source.config_file().parent, {"config.toml": text}), None)[1]


@pytest.fixture
def served(template: Path, tmp_path: Path, git: Git) -> Iterator[str]:
    """The small template, released as 0.3.0, 0.10.0 and 1.0.0rc1, on a server of its own."""
    for tag in ("v0.3.0", "v0.10.0", "v1.0.0rc1"):
        git(template, "commit", "--allow-empty", "-qm", tag)
        git(template, "tag", tag)
    git(tmp_path, "clone", "-q", "--bare", str(template), "served/tool.git")
    git(tmp_path / "served/tool.git", "update-server-info")
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/tool.git"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def answers(project: Path) -> dict[str, str]:
    recorded: dict[str, str] = yaml.safe_load((project / ".copier-answers.yml").read_text())
    return recorded


def test_this_checkout_is_the_last_resort(installed: Install) -> None:
    installed({})
    assert source.choose(None, ref=None) == source.Source(str(ROOT), "HEAD")


def test_the_option_wins_over_variable_and_file(
    repository: Callable[[str], Path], configured: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(f'template = "{repository("file")}"')
    monkeypatch.setenv("PYOPS_TEMPLATE", str(repository("variable")))
    assert source.choose(str(repository("option")), ref=None).url.endswith("/option")


def test_the_variable_wins_over_the_file(
    repository: Callable[[str], Path], configured: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(f'template = "{repository("file")}"')
    monkeypatch.setenv("PYOPS_TEMPLATE", str(repository("variable")))
    assert source.choose(None, ref=None).url.endswith("/variable")


def test_the_file_wins_over_where_the_command_came_from(
    repository: Callable[[str], Path], configured: Callable[[str], None], installed: Install
) -> None:
    installed({"url": repository("origin").as_uri(), "dir_info": {}})
    configured(f'template = "{repository("file")}"')
    assert source.choose(None, ref=None).url.endswith("/file")


@pytest.mark.parametrize("text", ["template =", "template = 3"])
def test_a_broken_config_file_is_named(pyops: Pyops, configured: Callable[[str], None], text: str) -> None:
    configured(text)
    done = pyops("new", "x", "--defaults")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "config.toml" in done.stderr


def test_a_command_installed_from_a_folder_takes_it_as_it_lies(
    repository: Callable[[str], Path], installed: Install
) -> None:
    origin = repository("origin")
    installed({"url": origin.as_uri(), "dir_info": {"editable": True}})
    assert source.choose(None, ref=None) == source.Source(str(origin), "HEAD")


def test_a_command_installed_from_a_commit_takes_that_commit(
    repository: Callable[[str], Path], installed: Install, git: Git
) -> None:
    origin = repository("origin")
    commit = git(origin, "rev-parse", "HEAD")
    installed(
        {
            "url": origin.as_uri(),
            "vcs_info": {"vcs": "git", "commit_id": commit, "requested_revision": "main"},
        }
    )
    assert source.choose(None, ref=None) == source.Source(str(origin), commit)


def test_a_command_installed_from_a_wheel_takes_the_template_that_it_carries(
    installed: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed({"url": "https://git.invalid/pyops_kit-1.2.0-py3-none-any.whl", "archive_info": {}})
    assert source.choose(None, ref=None) == source.Source(str(ROOT), "HEAD")  # and not the wheel's own address


def test_a_released_command_takes_its_own_tag(repository: Callable[[str], Path], installed: Install, git: Git) -> None:
    origin = repository("origin")
    git(origin, "tag", "v1.2.0")
    git(origin, "tag", "v1.3.0")
    installed({"url": origin.as_uri(), "vcs_info": {"commit_id": "0" * 40, "requested_revision": "v1.2.0"}})
    assert source.choose(None, ref=None) == source.Source(str(origin), "v1.2.0")


def test_a_remote_template_is_taken_at_its_newest_final_release(pyops: Pyops, served: str, workplace: Path) -> None:
    assert pyops("new", "x", "--defaults", "--template", served).stderr == ""
    assert answers(workplace / "x")["_commit"] == "v0.10.0"
    assert answers(workplace / "x")["_src_path"] == served


def test_a_remote_template_brings_its_examples(pyops: Pyops, served: str, workplace: Path) -> None:
    assert pyops("new", "x", "--defaults", "--template", served, "--example", "shop").returncode == 0
    assert (workplace / "x/app/main.py").read_text() == "app = 'shop'\n"


def test_a_remote_template_lacks_a_revision(pyops: Pyops, served: str) -> None:
    done = pyops("new", "x", "--defaults", "--template", served, "--ref", "v7")
    assert "no revision 'v7'; it has v0.10.0, v0.3.0, v1.0.0rc1" in done.stderr


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://u:p@h/t.git", "https://h/t.git"),
        ("git+HTTPS://token@h/t", "git+HTTPS://h/t"),
        ("https://u:p@ss@h/t", "https://h/t"),
        ("ssh://git:p@h/t", "ssh://git@h/t"),
        ("ssh://git@h/t", "ssh://git@h/t"),
        ("git@h:t.git", "git@h:t.git"),
        ("https://h/t@v1", "https://h/t@v1"),
        ("/srv/a:b@c", "/srv/a:b@c"),
    ],
)
def test_passwords_and_tokens_are_taken_out_of_addresses(address: str, shown: str) -> None:
    assert source.without_credentials(address) == shown


@pytest.mark.parametrize(
    ("given", "recorded", "cloned"),
    [
        ("gh:team/tools", "gh:team/tools", "https://github.com/team/tools"),
        ("https://github.com/team/tools", "https://github.com/team/tools", "https://github.com/team/tools"),
        ("https://git.corp/tools", "git+https://git.corp/tools", "https://git.corp/tools"),
        ("https://git.corp/tools.git", "https://git.corp/tools.git", "https://git.corp/tools.git"),
        ("ssh://git@git.corp/tools.git", "ssh://git@git.corp/tools.git", "ssh://git@git.corp/tools.git"),
        ("git@git.corp:tools.git", "git@git.corp:tools.git", "git@git.corp:tools.git"),
        ("git+file:///srv/tools", "/srv/tools", "/srv/tools"),
    ],
)
def test_addresses_are_recorded_as_copier_takes_them(given: str, recorded: str, cloned: str) -> None:
    address = source.Source(source.absolute(given), "HEAD")
    assert (address.url, address.clone_url) == (recorded, cloned)
