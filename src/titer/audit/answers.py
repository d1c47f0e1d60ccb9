"""The answers of one target, on disk: append-only, safe against being killed, bound to a plan.

    {"plan":"ap-...","target":"suspect","head":17}            first line: whose answers these are
    {"ask":4,"at":...}                                        before a request leaves
    {"n":4,"at":...,"answer":{...}}                           when its answer is here
    {"n":9,"at":...,"failed":"status 500"}                    when it was given up
    {"at":...,"busy":"throttled","waited":4.0}                when it had to wait

What was asked counts against the budget even when we were killed before the answer came. A torn
last line is cut off; a line that is damaged in the middle is refused. One process at a time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

import msgspec

from titer.audit.target import Answer
from titer.core.errors import InputError
from titer.evidence import files

#: Bytes of one file of answers.
MAX_FILE = 8 << 30
#: A reply costs at least one token of the budget for so many characters, whatever the server says.
CHARS_PER_TOKEN = 4
#: Stated usage that is believed of one answer when nobody says what was asked for: a plan's most.
MOST_STATED = 100_000


class _Head(msgspec.Struct, frozen=True):
    plan: str
    target: str
    head: int


class _Line(msgspec.Struct, omit_defaults=True):
    at: int = 0
    ask: int = -1
    n: int = -1
    answer: Answer | None = None
    failed: str = ""
    busy: Literal["", "throttled", "broken"] = ""
    waited: float = 0.0


class Pace(msgspec.Struct):
    """What the target's limits and breakdowns cost us; told in the report."""

    throttled: int = 0
    broken: int = 0
    waited: float = 0.0


class Kept(Mapping[int, Answer]):
    """Answers by the number of their task, read from the file one at a time: with alternatives
    they would fill the memory. `at` says when each came (microseconds).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.places: dict[int, tuple[int, int]] = {}
        self.at: dict[int, int] = {}
        self._decoder = msgspec.json.Decoder(_Line)

    def __getitem__(self, n: int) -> Answer:
        offset, size = self.places[n]
        with self._path.open("rb") as file:
            file.seek(offset)
            answer = self._decoder.decode(file.read(size)).answer
        assert answer is not None
        return answer

    def __iter__(self) -> Iterator[int]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


class Answers:
    """The open file. `asked` counts requests that left, `tokens` what was written to us.

    `most` bounds what one answer's stated usage takes of the budget: it is the suspect who states
    it, and could end its own audit by one large number.
    """

    def __init__(
        self, path: Path, *, plan: str, target: str, head: int, most: int = MOST_STATED
    ) -> None:
        """Open or begin a file. Raises InputError when it is another plan's, damaged or in use."""
        self._path = path
        self._most = most
        self._guard = threading.Lock()
        self.asked = 0
        self.tokens = 0
        self.done = Kept(path)
        self.failed: dict[int, str] = {}
        self.first_at = self.last_at = 0
        self.pace = Pace()
        files.make_directory(path.parent)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock()
            self._load(_Head(plan, target, head))
        except BaseException:
            os.close(self._fd)
            raise

    def ask(self, n: int) -> None:
        """Note that request `n` leaves now."""
        line = _Line(at=_now(), ask=n)
        self._note(line, self._write(line))

    def keep(self, n: int, answer: Answer) -> None:
        """Keep an answer, durably."""
        line = _Line(at=_now(), n=n, answer=answer)
        place = self._write(line)
        os.fdatasync(self._fd)
        self._note(line, place)

    def give_up(self, n: int, why: str) -> None:
        """Note that task `n` will not be answered."""
        line = _Line(at=_now(), n=n, failed=why[:200])
        self._note(line, self._write(line))

    def wait(self, *, throttled: bool, seconds: float) -> None:
        """Note that the target could not answer and how long we wait for it."""
        line = _Line(at=_now(), busy="throttled" if throttled else "broken", waited=seconds)
        self._note(line, self._write(line))

    def digest(self) -> str:
        """SHA-256 (hex) of the whole file."""
        hashed = hashlib.sha256()
        with self._path.open("rb") as file:
            while block := file.read(1 << 20):
                hashed.update(block)
        return hashed.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{self._path}: another process collects into this folder; wait for it"
            ) from None

    def _load(self, mine: _Head) -> None:
        size = os.fstat(self._fd).st_size
        if size > MAX_FILE:
            raise InputError(f"{self._path}: larger than {MAX_FILE} bytes")
        self._end = 0
        if size == 0:
            self._write(mine)
            os.fdatasync(self._fd)
            return
        decoder = msgspec.json.Decoder(_Line)
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    break  # torn: never acknowledged
                try:
                    if number == 1:
                        self._compare(msgspec.json.decode(raw, type=_Head), mine)
                    else:
                        self._note(decoder.decode(raw), (self._end, len(raw)))
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    raise InputError(
                        f"{self._path}:{number}: damaged; restore the file, or begin anew under "
                        "another plan"
                    ) from None
                self._end += len(raw)
        if self._end == 0:  # killed while the first line was written
            os.ftruncate(self._fd, 0)
            self._write(mine)
        os.ftruncate(self._fd, self._end)

    def _compare(self, found: _Head, mine: _Head) -> None:
        if found != mine:
            raise InputError(
                f"{self._path}: these answers were collected under plan {found.plan}, not "
                f"{mine.plan}; a plan cannot change midway. Use another --work folder"
            )

    def _note(self, line: _Line, place: tuple[int, int]) -> None:
        with self._guard:
            self.first_at = self.first_at or line.at
            self.last_at = max(self.last_at, line.at)
            if line.ask >= 0:
                self.asked += 1
            elif line.answer is not None:
                self.done.places[line.n] = place
                self.done.at[line.n] = line.at
                self.tokens += cost(line.answer, self._most)
            elif line.failed:
                self.failed[line.n] = line.failed
            elif line.busy:
                self.pace.throttled += line.busy == "throttled"
                self.pace.broken += line.busy == "broken"
                self.pace.waited += line.waited

    def _write(self, line: _Head | _Line) -> tuple[int, int]:
        """Append a line; where it stands, and its length."""
        data = msgspec.json.encode(line) + b"\n"
        with self._guard:  # `ask` comes from several threads
            files.write_all(self._fd, data, self._end)
            place = (self._end, len(data))
            self._end += len(data)
        return place


def cost(answer: Answer, most: int) -> int:
    """Tokens that an answer takes of the budget: the usage stated (at most `most`, what was asked
    for), or its length, if larger.
    """
    return max(min(answer.tokens_out, most), len(answer.text) // CHARS_PER_TOKEN, 1)


def _now() -> int:
    return time.time_ns() // 1000
