"""Key rotation: every secret in the database, encrypted again with a fresh key."""

from sqlalchemy import MetaData, select
from sqlmodel import SQLModel

from .crypto import Encrypted
from .db import Actor, Database


def rotate(database: Database, actor: Actor, metadata: MetaData = SQLModel.metadata) -> int:
    """Add a key, and encrypt every Encrypted column with it in one transaction; how many rows that were."""
    database.keyring.add_key()
    total = 0
    with database.write(actor) as db:
        for table in metadata.sorted_tables:
            secret = [column for column in table.c if isinstance(column.type, Encrypted)]
            if not secret:
                continue
            rows = db.connection().execute(select(*table.primary_key, *secret)).mappings().all()
            for row in rows:
                mine = [key == row[key.name] for key in table.primary_key]
                new = {column.name: row[column.name] for column in secret}
                db.connection().execute(table.update().where(*mine).values(new))
            total += len(rows)
            db.note(table, "update", after={"why": "a new key", "rows": len(rows)})
    return total
