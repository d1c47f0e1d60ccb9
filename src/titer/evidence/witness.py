"""C2SP tlog-witness, the witness's side: answers to `add-checkpoint`, without sockets.

A witness keeps one head for each log that it knows, and cosigns another only when a proof shows
that it extends that one. So a log that shows two histories, or takes one back, gets no cosignature
on one of them. Reading the old head, checking and keeping the new one is one transaction, and the
new head is durable before its cosignature leaves.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from titer.core.errors import EvidenceError, InputError
from titer.evidence import checkpoint, files, heads, merkle, note
from titer.evidence.checkpoint import MAX_CHECKPOINT, Checkpoint
from titer.evidence.cosignature import Cosigner, add

KEY, ML_DSA_KEY = "witness.key", "witness.ml-dsa.key"
#: Bytes of one request: a checkpoint, and as many hashes as the protocol allows.
MAX_REQUEST = MAX_CHECKPOINT + 64 * 48
#: Hashes in a request (C2SP tlog-witness).
MAX_HASHES = 63
#: Heads of one log that contradict another, kept as evidence.
MAX_CONFLICTS = 100
#: Logs of one witness; each is one row.
MAX_LOGS = 10_000

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS logs (origin TEXT, key TEXT, PRIMARY KEY (origin, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, signed TEXT NOT NULL,
  at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conflicts (
  origin TEXT NOT NULL, at INTEGER NOT NULL, why TEXT NOT NULL, kept TEXT NOT NULL,
  shown TEXT NOT NULL);
"""


class Answer(msgspec.Struct, frozen=True):
    """What goes back over HTTP."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class Request(msgspec.Struct, frozen=True):
    """The body of `add-checkpoint`, taken apart; nothing of it was checked."""

    old: int
    proof: tuple[bytes, ...]
    signed: bytes


class WitnessState:
    """One witness: its key, the logs that it knows, and the last head of each.

    May be used from several threads, one connection each (`open` in every thread).
    """

    def __init__(self, directory: Path) -> None:
        """Open a witness that `create` has made. Raises `InputError` when there is none."""
        self.cosigners = _cosigners(directory)
        self._db = sqlite3.connect(directory / "witness.db", timeout=10, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def trust(self, keys: Sequence[note.Verifier]) -> None:
        """Cosign for the logs of these keys. A log may have several, while one takes over."""
        (count,) = self._db.execute("SELECT count(DISTINCT origin) FROM logs").fetchone()
        if count + len(keys) > MAX_LOGS:
            raise InputError(f"a witness serves at most {MAX_LOGS} logs")
        for key in keys:
            self._db.execute("INSERT OR IGNORE INTO logs VALUES (?, ?)", (key.name, str(key)))

    def known(self) -> list[tuple[str, int, int]]:
        """(origin, size of the last head or 0, its time) of every log."""
        return self._db.execute(
            "SELECT DISTINCT l.origin, coalesce(h.size, 0), coalesce(h.at, 0) FROM logs l"
            " LEFT JOIN heads h ON h.origin = l.origin ORDER BY l.origin"
        ).fetchall()

    def conflicts(self) -> list[tuple[str, int, str, str, str]]:
        """(origin, when, why, the head that was kept, the head that was shown)."""
        return self._db.execute("SELECT * FROM conflicts ORDER BY at").fetchall()

    def head(self, digest: str) -> Answer:
        """The last head of the log whose origin has this SHA-256 (hex), with the log's signatures
        and our cosignatures and no others: what monitors read, to see what others saw.
        """
        for origin, signed in self._db.execute("SELECT origin, signed FROM heads"):
            if hashlib.sha256(origin.encode()).hexdigest() == digest:
                return Answer(200, signed.encode())
        return Answer(404, b"this witness has no head of that log\n")

    def add_checkpoint(self, body: bytes, *, now: int | None = None) -> Answer:
        """Answer one request (C2SP tlog-witness). Raises only sqlite3.Error, from the disk."""
        try:
            request = parse(body)
            origin = note.split(request.signed)[0].split("\n", 1)[0]
        except EvidenceError as error:
            return Answer(400, f"{error}\n".encode())
        rows = self._db.execute("SELECT key FROM logs WHERE origin = ?", (origin,))
        keys = [note.Verifier.parse(row[0]) for row in rows]
        if not keys:
            return Answer(404, b"this witness does not know that log\n")
        try:
            head = checkpoint.read(request.signed, keys)
        except EvidenceError as error:
            return Answer(403, f"{error}\n".encode())
        if request.old > head.size:
            return Answer(400, b"the old size is larger than the checkpoint's\n")
        at = int(time.time()) if now is None else now
        self._db.execute("BEGIN IMMEDIATE")
        try:
            answer = self._decide(request, head, at)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return answer

    def _decide(self, request: Request, head: Checkpoint, at: int) -> Answer:
        """Inside the transaction: the last head does not change between look and write."""
        row = self._db.execute(
            "SELECT size, root, signed, at FROM heads WHERE origin = ?", (head.origin,)
        ).fetchone()
        size, root, kept, last = row or (0, b"", "", 0)
        if request.old != size:
            return Answer(409, f"{size}\n".encode(), "text/x.tlog.size")
        if row is not None and head.size == size and head.root != root:
            self._conflict(head.origin, at, "two roots for one size", kept, request.signed)
            return Answer(422, b"another root was cosigned for that size\n")
        try:
            _check(request, head, size, root)
        except EvidenceError as error:
            self._conflict(head.origin, at, "no consistency", kept, request.signed)
            return Answer(422, f"{error}\n".encode())
        at = max(at, last)  # a clock that goes back does not make a cosignature older
        lines = "".join(one.line(head.body(), at) for one in self.cosigners)
        cosigned = add(heads.own(request.signed.decode()), lines)
        self._db.execute(
            "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)",
            (head.origin, head.size, head.root, cosigned, at),
        )
        return Answer(200, lines.encode())

    def _conflict(self, origin: str, at: int, why: str, kept: str, shown: bytes) -> None:
        """Keep what shows that a log misbehaved: both heads carry its signature."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM conflicts WHERE origin = ?", (origin,)
        ).fetchone()
        if kept and count < MAX_CONFLICTS:
            row = (origin, at, why, kept, shown.decode())
            self._db.execute("INSERT INTO conflicts VALUES (?, ?, ?, ?, ?)", row)


def create(directory: Path, name: str) -> tuple[Cosigner, ...]:
    """Make a witness's keys, Ed25519 and ML-DSA-44. Raises `InputError` when there is one, or the
    name is none.
    """
    if (directory / KEY).exists():
        raise InputError(f"{directory} holds a witness already")
    try:
        signer = note.Signer.generate(name)
    except ValueError as error:
        raise InputError(f"the witness's name: {error}") from None
    files.make_directory(directory)
    directory.chmod(0o700)
    files.replace(directory / KEY, signer.to_pem(), mode=0o600)
    files.replace(directory / "witness.name", f"{name}\n".encode())
    with contextlib.suppress(UnsupportedAlgorithm):
        _make_ml_dsa(directory)
    state = WitnessState(directory)
    files.replace(directory / "witness.pub", f"{state.cosigners[0].witness}\n".encode())
    files.sync_directory(directory)
    state.close()
    return state.cosigners


def add_ml_dsa(directory: Path) -> Cosigner:
    """Give a witness an ML-DSA-44 key beside its own. Raises `InputError` when it has one, or this
    build of `cryptography` cannot make one.
    """
    if (directory / ML_DSA_KEY).exists():
        raise InputError(f"{directory}: there is an ML-DSA-44 key already")
    _cosigners(directory)
    try:
        return _make_ml_dsa(directory)
    except UnsupportedAlgorithm:
        raise InputError(
            "this build of `cryptography` has no ML-DSA: it needs OpenSSL 3.5 or newer, as the "
            "wheels bring it"
        ) from None


def _make_ml_dsa(directory: Path) -> Cosigner:
    pem = MLDSA44PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files.replace(directory / ML_DSA_KEY, pem, mode=0o600)
    made = _cosigners(directory)[1]
    files.replace(directory / "witness.ml-dsa.pub", f"{made.witness}\n".encode())
    files.sync_directory(directory)
    return made


def _cosigners(directory: Path) -> tuple[Cosigner, ...]:
    """The keys of a witness, Ed25519 first. Raises `InputError` and EvidenceError."""
    pem, name = files.read(directory / KEY), files.read(directory / "witness.name")
    if pem is None or name is None:
        raise InputError(f"{directory} holds no witness; run `titer witness create` first")
    more = files.read(directory / ML_DSA_KEY)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
        other = None if more is None else serialization.load_pem_private_key(more, password=None)
    except (ValueError, TypeError) as error:
        raise EvidenceError("witness key: not an unencrypted PKCS 8 PEM file") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceError("witness key: not an Ed25519 key")
    first = Cosigner(name.decode().strip(), key)
    if other is None:
        return (first,)
    if not isinstance(other, MLDSA44PrivateKey):
        raise EvidenceError("witness key: not an ML-DSA-44 key")
    return first, Cosigner(first.witness.name, other)


def parse(body: bytes) -> Request:
    """Read a request's body. Raises EvidenceError."""
    if len(body) > MAX_REQUEST:
        raise EvidenceError(f"request: larger than {MAX_REQUEST} bytes")
    head, empty, signed = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise EvidenceError("request: not ASCII before the checkpoint") from None
    match = _OLD.fullmatch(lines[0])
    if match is None or not empty:
        raise EvidenceError("request: expected `old`, a size, hashes, an empty line, a checkpoint")
    if len(lines) - 1 > MAX_HASHES:
        raise EvidenceError(f"request: more than {MAX_HASHES} hashes")
    proof = tuple(note.decode_base64(line) for line in lines[1:])
    if any(len(one) != merkle.HASH_SIZE for one in proof):
        raise EvidenceError("request: a line is no hash")
    return Request(int(match[1]), proof, signed)


def form(old: int, proof: Sequence[bytes], signed: str) -> bytes:
    """The body of a request."""
    hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
    return f"old {old}\n{hashes}\n{signed}".encode()


def _check(request: Request, head: Checkpoint, size: int, root: bytes) -> None:
    """Raise EvidenceError unless the head extends the one that is kept."""
    if size == 0:
        if request.proof:
            raise EvidenceError("consistency: a proof from the empty tree says nothing")
        return
    merkle.verify_consistency(
        request.proof, old=size, new=head.size, old_root=root, new_root=head.root
    )
