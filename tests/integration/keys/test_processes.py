"""Keys and budgets between real processes: the verb here, a worker there."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from titer.access import Budgets, Caller, KeyBook, Limits
from titer.core.nouns import Principal


def titer(*words: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "titer", *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


#: Admits what it is sent; refreshes between lines as the gateway does, ten times a second.
WORKER = """
import select, sys, time
from pathlib import Path
from titer.access import KeyBook
from titer.core.errors import Refused

with KeyBook(Path(sys.argv[1])) as book:
    print("ready", flush=True)
    while True:
        if select.select([0], [], [], 0.1)[0]:
            key = sys.stdin.readline().strip()
            if not key:
                break
            try:
                print(book.admit(key, time.time_ns() // 1000).principal.id, flush=True)
            except Refused:
                print("refused", flush=True)
        else:
            book.refresh()
"""

#: Takes as much of a budget as it can once told to; says how much that was.
SPENDER = """
import sys
from pathlib import Path
from titer.access import Budgets, Caller, Limits
from titer.core.errors import Refused
from titer.core.nouns import Principal

path, number, workers = sys.argv[1:]
who = Caller("k", Principal("p"), 3, 4, Limits(requests_per_day=500))
with Budgets(Path(path), workers=int(workers), worker=int(number)) as budgets:
    print("ready", flush=True)
    now = int(sys.stdin.readline())
    taken = 0
    for _ in range(1000):
        try:
            budgets.take(who, now, 10)
        except Refused:
            break
        taken += 1
        budgets.settle(who, now, tokens_in=10, tokens_out=1)
    print(taken, flush=True)
"""


class Child:
    """A Python process that is spoken to line by line."""

    def __init__(self, script: str, *words: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hear() == "ready"

    def say(self, line: object) -> None:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        return self._process.stdout.readline().strip()

    def ask(self, line: object) -> str:
        self.say(line)
        return self.hear()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=120)


def test_a_running_worker_follows_the_verb(tmp_path: Path, wait) -> None:
    data = tmp_path / "data"
    first = json.loads(titer("keys", "create", "--data", str(data), "--org", "acme", "--json"))
    worker = Child(WORKER, data)
    try:

        def later(key: str) -> str:
            time.sleep(0.15)  # the worker refreshes while nobody asks
            return worker.ask(key)

        who = worker.ask(first["key"])
        assert who == first["principal"]
        words = ("keys", "rotate", first["id"], "--data", str(data), "--overlap", "60", "--json")
        second = json.loads(titer(*words))
        wait(lambda: later(second["key"]) == who)
        assert worker.ask(first["key"]) == who
        titer("keys", "revoke", second["id"], "--data", str(data))
        wait(lambda: later(second["key"]) == "refused")
        assert worker.ask(first["key"]) == who
    finally:
        worker.stop()


def test_workers_share_one_budget(tmp_path: Path) -> None:
    """Each may overshoot by the requests in flight elsewhere, no more."""
    workers = 3
    path = tmp_path / "run" / "budgets"
    now = 30_000_000 * 60_000_000
    children = [Child(SPENDER, path, number, workers) for number in range(workers)]
    try:
        for child in children:
            child.say(now)
        taken = [int(child.hear()) for child in children]
    finally:
        for child in children:
            child.stop()
    assert 500 <= sum(taken) <= 500 + workers - 1
    who = Caller("k", Principal("p"), 3, 4, Limits(requests_per_day=500), Limits())
    with Budgets(path, workers=workers, worker=0) as budgets:
        headers = dict(budgets.headers(who, now, "openai"))
        assert headers["x-ratelimit-remaining-requests"] == "0"


def test_verbs_at_once_lose_no_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = [sys.executable, "-m", "titer", "keys", "create", "--data", str(data), "--json"]
    running = [
        subprocess.Popen([*words, "--org", f"org-{i}"], stdout=subprocess.PIPE, text=True)
        for i in range(6)
    ]
    made = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    listed = json.loads(titer("keys", "list", "--data", str(data), "--json"))["keys"]
    assert {key["id"] for key in listed} == {key["id"] for key in made}
    with KeyBook(data) as book:
        callers = [book.admit(key["key"], 0) for key in made]
    slots = {c.slot for c in callers} | {c.org_slot for c in callers}
    assert slots == set(range(1, 13))


@pytest.mark.slow
def test_a_hundred_thousand_keys_are_loaded(tmp_path: Path) -> None:
    n = 100_000
    with KeyBook(tmp_path) as book:
        record, key = book.create(org="acme")
        slow, other = book.create(org="acme")
    with sqlite3.connect(tmp_path / "access.db") as db:
        row = db.execute("SELECT * FROM keys WHERE id = ?", (record.id,)).fetchone()
        db.executemany(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((f"{i:010}", *row[1:4], i + 10, *row[5:]) for i in range(n)),
        )
    db.close()
    with KeyBook(tmp_path) as book:
        assert len(book) == n + 2
        assert book.admit(key, 0).key_id == record.id
        assert book.admit(other, 0).key_id == slow.id
        size = sum(sys.getsizeof(k) + sys.getsizeof(v) for k, v in book._rows.items())
        assert (size + sys.getsizeof(book._rows)) / n < 250
