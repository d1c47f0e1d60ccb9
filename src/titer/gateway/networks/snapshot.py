r"""A snapshot: one table with a manifest that says where it is from, under a signature.

    titer networks 1 <bytes of the note>\n
    <signed note: "titer.networks/1", then the manifest as one line of JSON>
    <the table: `table.Table.dump`>

The manifest names the table's SHA-256 and length, so that the signature covers every byte. Note
and key are those of the evidence log (`titer.evidence.note`, C2SP signed-note); the first line
keeps a manifest from being read as a log's head. One signature, in one spelling: a file with any
byte changed, added or taken away is refused.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import note
from titer.gateway.networks.table import Table

FORMAT = "titer.networks/1"
#: What a list may be a list of.
KINDS = (
    "asn", "hosting", "cloud", "bad-asn", "vpn", "proxy", "tor", "residential", "disposable",
)  # fmt: skip
#: Days after which data are called stale: networks change hands at some percent a month.
STALE_DAYS = 90
#: Bytes of a snapshot file: `table.MAX_RANGES` IPv6 ranges with names are less.
MAX_FILE = 256 << 20

_HEAD = re.compile(rb"titer networks 1 ([1-9][0-9]{0,6})\n")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_DAY = 86_400_000_000


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a snapshot is. `dated` is the day that the data speak of (YYYY-MM-DD), `imported` when
    they were taken in (microseconds); `ranges4`, `ranges6` and `owners` count; `inputs` are the
    SHA-256 of the files read. `published` is a publisher's own signed note, when the table came
    from one: its words, checked at import and repeated under our signature.
    """

    name: str
    kind: str
    source: str
    licence: str
    dated: str
    imported: int
    ranges4: int
    ranges6: int
    owners: int
    bytes: int
    sha256: str
    inputs: tuple[str, ...] = ()
    published: str = ""

    @property
    def day(self) -> int:
        """The start of `dated`, in microseconds."""
        return day(self.dated)

    def age(self, now: int) -> int:
        """Whole days between the data and `now` (microseconds)."""
        return max(0, now - self.day) // _DAY

    def stale(self, now: int) -> bool:
        """Whether the data are too old to be relied on."""
        return self.age(now) > STALE_DAYS


class Snapshot(msgspec.Struct, frozen=True):
    """A verified snapshot."""

    manifest: Manifest
    table: Table


def seal(manifest: Manifest, table: Table, signer: note.Signer) -> bytes:
    """The file of a snapshot. Counts, length and digest of the manifest are filled in here."""
    data = table.dump()
    manifest = msgspec.structs.replace(
        manifest,
        ranges4=len(table.first4),
        ranges6=len(table.first6h),
        owners=len(table.asns),
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    signed = note.sign(_text(manifest), signer).encode()
    return b"titer networks 1 %d\n%b%b" % (len(signed), signed, data)


def read_manifest(data: bytes, verifiers: Sequence[note.Verifier]) -> tuple[Manifest, str, int]:
    """The manifest of a file's first bytes, its signed note, and where the table begins.

    The table is not looked at. Raises `EvidenceError`.
    """
    head = _HEAD.match(data)
    if head is None:
        raise EvidenceError("not a snapshot of network data")
    end = head.end() + int(head[1])
    signed = data[head.end() : end]
    text = note.read(signed, verifiers).text
    if not signed.startswith(text.encode() + b"\n") or signed.count(b"\n\xe2\x80\x94 ") != 1:
        raise EvidenceError("the manifest has more than one signature")
    line, _, rest = text.partition("\n")
    if line != FORMAT:
        raise EvidenceError(f"this is signed, but no manifest of network data ({FORMAT})")
    try:
        manifest = msgspec.json.decode(rest, type=Manifest)
        dated = dt.date.fromisoformat(manifest.dated).isoformat()
    except (msgspec.DecodeError, ValueError) as error:
        raise EvidenceError("the manifest cannot be read") from error
    known = manifest.kind in KINDS and is_name(manifest.name) and dated == manifest.dated
    if not known or _text(manifest) != text:
        raise EvidenceError("the manifest is not written as titer writes it")
    return manifest, signed.decode(), end


def verify(data: bytes, verifiers: Sequence[note.Verifier], *, deep: bool = False) -> Snapshot:
    """A snapshot out of a file's bytes, under one of the keys. Raises `EvidenceError`.

    `deep` also checks the table's inner order, for files that another titer made.
    """
    manifest, _, begin = read_manifest(data, verifiers)
    body = memoryview(data)[begin:]
    if len(body) != manifest.bytes or hashlib.sha256(body).hexdigest() != manifest.sha256:
        raise EvidenceError("the data are not those that were signed")
    table = Table.load(bytes(body))
    counts = (len(table.first4), len(table.first6h), len(table.asns))
    if counts != (manifest.ranges4, manifest.ranges6, manifest.owners):
        raise EvidenceError("the counts of the manifest are not those of the data")
    if deep:
        table.check()
    return Snapshot(manifest, table)


def day(dated: str) -> int:
    """The start of a day (YYYY-MM-DD, UTC) in microseconds."""
    return (dt.date.fromisoformat(dated) - dt.date(1970, 1, 1)).days * _DAY


def is_name(name: str) -> bool:
    """Whether a snapshot may be called this: small letters, digits and hyphens, 64 at most."""
    return _NAME.fullmatch(name) is not None


def _text(manifest: Manifest) -> str:
    return f"{FORMAT}\n{msgspec.json.encode(manifest, order='sorted').decode()}\n"
