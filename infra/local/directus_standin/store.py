"""Rows in SQLite, so that they survive a restart."""

from __future__ import annotations

import json
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]


class Store:
    """Rows by collection and key. Thread-safe."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS rows (collection TEXT, id TEXT, row TEXT, PRIMARY KEY (collection, id))")

    def all(self, collection: str) -> list[Row]:
        """Return all rows of a collection, in the order of creation."""
        with self._lock:
            found = self._db.execute("SELECT row FROM rows WHERE collection = ? ORDER BY rowid", (collection,))
            return [json.loads(text) for (text,) in found]

    def get(self, collection: str, key: object) -> Row | None:
        """Return one row, or None."""
        with self._lock:
            found = self._db.execute("SELECT row FROM rows WHERE collection = ? AND id = ?", (collection, str(key)))
            text = found.fetchone()
            return json.loads(text[0]) if text else None

    def insert(self, collection: str, row: Row) -> bool:
        """Insert a row; False if its key exists."""
        with self._lock:
            values = (collection, str(row["id"]), json.dumps(row))
            return self._db.execute("INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", values).rowcount == 1

    def change(self, collection: str, key: object, values: Row) -> Row:
        """Update columns of a row and return the row."""
        with self._lock:
            row = {**(self.get(collection, key) or {}), **values}
            self._db.execute("UPDATE rows SET row = ? WHERE collection = ? AND id = ?", (json.dumps(row), collection, str(key)))
            return row

    def delete(self, collection: str, key: object) -> None:
        """Delete a row."""
        with self._lock:
            self._db.execute("DELETE FROM rows WHERE collection = ? AND id = ?", (collection, str(key)))

    def next_number(self, collection: str) -> int:
        """Return the next key of a numbered collection."""
        return max((int(row["id"]) for row in self.all(collection)), default=0) + 1
