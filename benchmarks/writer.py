"""Writes the whole portfolio again and again, as a job's steps do, until it is ended: the page's bad neighbour."""

import os
import sys
from pathlib import Path

from sqlalchemy import select

import app.main  # noqa: F401 - all the models, so that their foreign keys are known
from app.domains import Domain
from core.crypto import Keyring
from core.db import Actor, Database
from core.scheduler import NICENESS

ROWS = 500  # in one transaction, as the domain monitor's own job does

os.nice(NICENESS)
data = Path(sys.argv[1])
database = Database(f"sqlite:///{data / 'app.db'}", keyring=Keyring.load(data))
with database.read() as db:
    names = list(db.execute(select(Domain.name).order_by(Domain.name)).scalars())  # type: ignore[arg-type, call-overload]
print("writing", flush=True)
turn = 0
while True:
    turn += 1
    for start in range(0, len(names), ROWS):
        with database.write(Actor("benchmark", "job")) as db:
            db.upsert(Domain, [{"name": n, "status": f"turn {turn}"} for n in names[start : start + ROWS]], key="name")
    print(turn, flush=True)
