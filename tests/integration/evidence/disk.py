"""Writes a log where the disk gives out, really. Run by test_disk.py.

python disk.py full DIR     DIR is a small file system with a filler in it
python disk.py readonly DIR DIR is a file system that may be mounted again
python disk.py limit DIR    the process may not write files beyond a size
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from titer.evidence.log import Log

ORIGIN = "titer.test/disk"


def body(index: int) -> bytes:
    return json.dumps({"id": f"x{index}", "pad": "p" * 500}).encode()


def fill(log: Log) -> str:
    """Append until the disk refuses; what was refused must not count."""
    for _ in range(10_000):
        size = log.size
        try:
            log.append([("exchange", body(i)) for i in range(size, size + 50)], at=1)
        except OSError as error:
            assert log.size == size
            return str(error)
    raise SystemExit("the disk never gave out")


def checked(directory: Path, size: int) -> None:
    with Log.open(directory, origin=ORIGIN) as log:
        assert log.size == size, (log.size, size)
        for stored in log.scan():
            assert stored.body == body(stored.index)
        log.checkpoint()
        log.check()


def full(directory: Path) -> dict:
    filler = directory / "filler"
    filler.write_bytes(b"\0" * 200_000)
    log = Log.open(directory / "log", origin=ORIGIN)
    log.append([("exchange", body(i)) for i in range(20)], at=1)
    log.checkpoint()
    before = log.head
    said = fill(log)
    kept = log.size
    try:
        log.checkpoint()
        raise SystemExit("a checkpoint fitted on a full disk")
    except OSError:
        assert log.head == before
    filler.unlink()
    log.append([("exchange", body(kept))], at=1)
    log.checkpoint()
    assert log.head.size == log.size == kept + 1
    log.close()
    checked(directory / "log", kept + 1)
    return {"said": said, "kept": kept}


def readonly(directory: Path) -> dict:
    log = Log.open(directory / "log", origin=ORIGIN)
    log.append([("exchange", body(0))], at=1)
    log.close()
    subprocess.run(["mount", "-o", "remount,ro", str(directory)], check=True)
    try:
        Log.open(directory / "log", origin=ORIGIN)
        raise SystemExit("a read-only log was opened for writing")
    except OSError as error:
        said = str(error)
    subprocess.run(["mount", "-o", "remount,rw", str(directory)], check=True)
    checked(directory / "log", 1)
    return {"said": said, "kept": 1}


def limit(directory: Path) -> dict:
    log = Log.open(directory / "log", origin=ORIGIN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_001, hard))
    said = fill(log)
    kept = log.size
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    log.append([("exchange", body(kept))], at=1)
    log.close()
    checked(directory / "log", kept + 1)
    return {"said": said, "kept": kept}


if __name__ == "__main__":
    way = {"full": full, "readonly": readonly, "limit": limit}[sys.argv[1]]
    sys.stdout.write(json.dumps(way(Path(sys.argv[2]))) + "\n")
