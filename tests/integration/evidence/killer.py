"""Kills a writing process again and again, and looks at what it left. Run by test_kill.py.

    python killer.py DIR ROUNDS SEED   -> one line of JSON

Every body is a function of its index, so that whatever is in the log can be checked.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from titer.evidence import merkle
from titer.evidence.log import Log, View

ORIGIN = "titer.test/kill"


def body(index: int) -> bytes:
    whose = {"id": f"p{index % 40}"}
    pad = "p" * (index * 7919 % 900)
    return json.dumps({"id": f"x{index}", "principal": whose, "pad": pad}).encode()


def write_until_killed(directory: Path, pipe: int, seed: int) -> None:
    """The child: append and publish for ever, and say so only afterwards."""
    rng = random.Random(seed)
    log = Log.open(directory, origin=ORIGIN)
    while True:
        first = log.size
        count = rng.choice((1, 2, 7, 20, 90))
        log.append([("exchange", body(i)) for i in range(first, first + count)], at=first)
        os.write(pipe, f"A {log.size}\n".encode())
        if rng.random() < 0.4:
            log.checkpoint()
            os.write(pipe, f"C {log.head.size} {log.head.root.hex()}\n".encode())


def one_round(directory: Path, seed: int, rng: random.Random) -> list[list[str]]:
    """Fork a writer, kill it somewhere, return what it said.

    Three times in ten soon after it began, while it opens the log; else soon after it has said
    a few things, so that slow machines see as many kills between appends as fast ones.
    """
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(out)
        try:
            write_until_killed(directory, into, seed)
        finally:
            os._exit(1)  # only after an error: the parent sees it
    os.close(into)
    said = b""
    words = 0 if rng.random() < 0.3 else rng.randint(1, 5)
    while said.count(b"\n") < words and (piece := os.read(out, 65536)):
        said += piece
    time.sleep(rng.random() * (0.004 if words else 0.02))
    os.kill(pid, signal.SIGKILL)
    while piece := os.read(out, 65536):
        said += piece
    os.close(out)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("the writer died by itself")
    return [line.split() for line in said.decode().splitlines()]


def main(directory: Path, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    heads: dict[int, str] = {}
    acknowledged = checked = torn = unsaid = 0
    for number in range(rounds):
        said = one_round(directory, seed * 1000 + number, rng)
        for line in said:
            if line[0] == "A":
                acknowledged = max(acknowledged, int(line[1]))
            elif heads.setdefault(int(line[1]), line[2]) != line[2]:
                raise SystemExit("two heads of one size")
        if (directory / "log.pub").exists():
            head = View.open(directory).head  # what strangers saw, said or not
            if head is not None:
                unsaid += head.size not in heads
                if heads.setdefault(head.size, head.root.hex()) != head.root.hex():
                    raise SystemExit("two heads of one size")
        with Log.open(directory, origin=ORIGIN) as log:
            torn += log.torn > 0
            if log.size < acknowledged:
                raise SystemExit(f"lost: {log.size} < {acknowledged} in round {number}")
            for stored in log.scan(checked):
                if stored.body != body(stored.index):
                    raise SystemExit(f"entry {stored.index} is not what was appended")
            checked = acknowledged = log.size
            log.checkpoint()
            new = log.head
            if heads.setdefault(new.size, new.root.hex()) != new.root.hex():
                raise SystemExit("two heads of one size")
            olds = sorted(h for h in heads if h)
            for old in {*olds[-20:], *rng.sample(olds, min(10, len(olds)))}:
                merkle.verify_consistency(
                    log.consistency(old),
                    old=old,
                    new=new.size,
                    old_root=bytes.fromhex(heads[old]),
                    new_root=new.root,
                )
    view = View.open(directory)
    view.check()
    olds = sorted(h for h in heads if h)
    for old in olds:
        merkle.verify_consistency(
            view.consistency(old),
            old=old,
            new=view.size,
            old_root=bytes.fromhex(heads[old]),
            new_root=view.head.root,
        )
    result = {
        "rounds": rounds,
        "entries": view.size,
        "heads": len(heads),
        "torn": torn,
        "unsaid": unsaid,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
