"""Asking the registries: a few names an hour, the most urgent first, the network first and then short writes."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from sqlmodel import col, delete, select

from core import DB, Run, Session, job, now
from core.http import LOOPBACK, Client, HttpError
from core.jobs import Step

from ..settings import Settings
from .asking import Subject, answered, in_turns, refused, servers_of, subjects
from .bootstrap import ADDRESS, PATH, based, read
from .models import BootstrapCopy, RegistryRecord, RegistryServer
from .server import Pace, RdapError, Server

AT_ONCE = 20  # answers that are written together
LONGEST_ROUND = timedelta(minutes=45)  # what is left then is due in the next run
ROWS = 500  # in one transaction
PAUSE = timedelta(hours=1)  # of a server that is busy, doubled each time up to a day
LONGEST_PAUSE = timedelta(days=1)


@job(every="1h", timeout=3400)
def ask_registries(db: DB, run: Run, settings: Settings) -> None:
    """Ask the registries when our domains expire: the most urgent first, so many names an hour."""
    at = now()
    everybody = subjects(db, servers_of(db, settings.rdap_servers))
    with run.step("suffixes without RDAP") as step:
        note_unasked(step, everybody)
    with ExitStack() as stack:
        desk = Desk(stack, settings, {row.host: row for row in db.exec(select(RegistryServer))})
        due = [each for each in everybody if each.is_due(at) and desk.serves(each, at)]
        due.sort(key=lambda each: each.urgency(at.date()))
        asked = list(in_turns(due[: settings.rdap_names_an_hour]))
        waiting = run.track(asked)
        while (part := list(islice(waiting, AT_ONCE))) and now() - at < LONGEST_ROUND:
            with run.step(part[0].name) as step:
                desk.write(step, [row for each in part if (row := desk.ask(each))])
    with run.step("deadlines") as step:
        step.log(f"{len(due):,} were due, {desk.count:,} answered; {len(due) - len(asked):,} are left for the next run")
        for problem in desk.problems:
            step.log(problem, level="warning")
        settle(step, subjects(db, servers_of(db, settings.rdap_servers)))


@job(cron="20 3 * * 1", timeout=120, retries=2)
def refresh_servers(db: DB, run: Run) -> None:
    """Fetch IANA's list of the registries' servers; one that cannot be read leaves the old one in place."""
    with run.step("IANA's list") as step:
        copy = db.get(BootstrapCopy, 1)
        fetched = fetch(copy.etag if copy else "")
        if fetched is None:
            step.log("as before")
            return
        text, etag = fetched
        row = {"id": 1, "text": text, "etag": etag, "fetched_at": now()}
        step.upsert(BootstrapCopy, [row], key="id")
        found = read(text)
        step.log(f"published on {found.publication[:10]}: {len(found.servers):,} suffixes")


def fetch(etag: str, *, address: str = ADDRESS) -> tuple[str, str] | None:
    """IANA's list as text with its tag; None when it has not changed. HttpError when it is of no use."""
    with Client(address, headers={"If-None-Match": etag} if etag else {}, max_bytes=5_000_000) as client:
        reply = client.get(PATH)
    if reply.status == 304:
        return None
    if reply.status != 200:
        raise HttpError(f"{reply.url_safe} answered {reply.status}", reason="broken")
    try:
        read(reply.text)
    except ValueError as error:
        raise HttpError(f"{reply.url_safe}: {error}; the list from before stays", reason="unreadable") from None
    return reply.text, reply.headers.get("ETag", "")


@dataclass
class Desk:
    """Asks one name after the other, each server at its pace; one that is busy is left alone for a while."""

    stack: ExitStack
    settings: Settings
    paused: dict[str, RegistryServer]
    count: int = 0
    problems: list[str] = field(default_factory=list)
    _servers: dict[str, Server] = field(default_factory=dict)
    _paces: dict[str, Pace] = field(default_factory=dict)  # by host: one may serve a hundred suffixes, each at a path
    _news: dict[str, RegistryServer] = field(default_factory=dict)
    _recovered: set[str] = field(default_factory=set)

    def serves(self, subject: Subject, at: datetime) -> bool:
        """Whether its registry may be asked now."""
        row = self.paused.get(urlsplit(subject.server or "").netloc)
        return row is None or row.paused_until <= at

    def ask(self, subject: Subject) -> dict[str, Any] | None:
        """What a registry said, or why it said nothing, as a row; None when its server is left alone."""
        base_url, at = subject.server or "", now()
        if not self.serves(subject, at):
            return None
        try:
            record = self._server(base_url, subject.name).ask(subject.name)
        except RdapError as error:
            if error.reason in ("busy", "unreachable"):
                self._pause(urlsplit(base_url).netloc, error, at)
                return None
            return refused(subject, error, at)
        self.count += 1
        self._recovered |= {urlsplit(base_url).netloc} & self.paused.keys()
        return answered(subject, record, at)

    def write(self, step: Step, rows: Sequence[dict[str, Any]]) -> None:
        """Write what came, and which servers are to be left alone or are well again."""
        step.call(partial(write, rows=rows))
        step.upsert(RegistryServer, [row.model_dump() for row in self._news.values()], key="host")
        if well := self._recovered - self._news.keys():
            step.write(delete(RegistryServer).where(col(RegistryServer.host).in_(well)))
        self._news, self._recovered = {}, set()

    def _server(self, base_url: str, name: str) -> Server:
        if base_url not in self._servers:
            is_ours = base_url in map(based, self.settings.rdap_servers.values())
            server = Server(base_url, is_trusted=is_ours, pace=self._pace_of(base_url, name))
            self._servers[base_url] = self.stack.enter_context(server)
        return self._servers[base_url]

    def _pace_of(self, base_url: str, name: str) -> Pace:
        url = urlsplit(base_url)
        is_country = len(name.rpartition(".")[2]) == 2  # a small registry, mostly
        seconds = self.settings.rdap_pace_s * (2 if is_country else 1)
        return self._paces.setdefault(url.netloc, Pace(0.0 if url.hostname in LOOPBACK else seconds))

    def _pause(self, host: str, error: RdapError, at: datetime) -> None:
        failures = self.paused[host].failures + 1 if host in self.paused else 1
        pause = max(
            PAUSE * 2 ** min(failures - 1, 5), timedelta(seconds=min(error.wait_s, LONGEST_PAUSE.total_seconds()))
        )
        until = at + min(pause, LONGEST_PAUSE)
        self.paused[host] = self._news[host] = RegistryServer(
            host=host, failures=failures, paused_until=until, problem=str(error)
        )
        self.problems.append(f"{error}; {host} is left alone until {until:%Y-%m-%d %H:%M} UTC")


def write(db: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write answers and refusals, which name different columns."""
    for is_answer in (True, False):
        db.upsert(RegistryRecord, [r for r in rows if (r["state"] == "answered") == is_answer], key="domain_id")


def note_unasked(step: Step, everybody: Sequence[Subject]) -> None:
    """Say of the names that nobody can be asked about that it is so; they are no failure."""
    new = [each for each in everybody if each.server is None and not (each.record and each.record.state == "no rdap")]
    rest = iter(new)
    while part := list(islice(rest, ROWS)):
        step.upsert(RegistryRecord, [{"domain_id": each.id, "state": "no rdap"} for each in part], key="domain_id")
        step.commit()


def settle(step: Step, everybody: Sequence[Subject]) -> None:
    """Write each domain's deadline, where it is another one than before."""
    today = now().date()
    rest = iter([row for each in everybody if (row := moved(each, today))])
    while part := list(islice(rest, ROWS)):
        step.upsert(RegistryRecord, part, key="domain_id")
        step.commit()


def moved(subject: Subject, today: date) -> dict[str, Any] | None:
    """The deadline as columns, if it differs from what is stored."""
    found, record = subject.deadline(today), subject.record
    if record is None or (record.phase, record.deadline_on) == (found.phase, found.on):
        return None
    return {"domain_id": subject.id, "phase": found.phase, "deadline_on": found.on}
