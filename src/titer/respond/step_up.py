"""Step up: before it goes on, a caller shows the operator's verification service who it is.

    request without   403 in the caller's dialect, with the operator's URL and a signed nonce
    the caller        opens the URL; the operator's service verifies it as it sees fit
    the service       answers titer with the nonce and a shared secret (`gateway.step_up_desk`)
    request again     passes, until the verification ends

The nonce is `base64url(issued || 8 random bytes || subject || HMAC-SHA-256/128)`: bound to the
subject, valid for a time, and good for one answer. No state is kept for a nonce until it is
answered, so a caller that asks for a million of them costs a million HMACs.

titer never calls the service. It counts as down when `alive_s` is set and nothing was heard of it
for so long; then the dose's `otherwise` is given, or nothing.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from titer.core.contracts import Unavailable
from titer.core.errors import Refused
from titer.core.nouns import Card, Standing
from titer.core.wire import Problem, Request, Transform

#: issued (microseconds), random bytes.
_HEAD = struct.Struct(">Q8s")
_MAC = 16

#: Characters of a nonce that is looked at: a subject is 20 hex digits.
MAX_NONCE = 512

#: Microseconds by which a nonce may come from the future: the clocks of one machine's processes
#: are one clock, so more than a step of it is a clock that went back.
SKEW_US = 60_000_000

#: Subjects whose verification this worker remembers until the standings table says so.
MAX_VOUCHED = 10_000

#: Spent nonces looked at in one tidying.
MAX_SPENT = 10_000

#: Seconds between two looks at when the service was last heard of.
LOOK_S = 1.0


class StepUpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where callers are sent, the service's shared secret, and how long things last (seconds)."""

    url: str
    secret: str
    nonce_s: int = 900
    verified_s: int = 30 * 86_400
    alive_s: int = 0

    def __repr__(self) -> str:
        """Without the secret."""
        return f"StepUpSettings({self.url!r}, ...)"

    __str__ = __repr__


class Nonces:
    """Makes and takes nonces. `directory` holds one empty file for each that was answered."""

    def __init__(self, key: bytes, directory: Path | None, *, lasts_s: int) -> None:
        self._key = key
        self._directory = directory
        self._lasts = lasts_s * 1_000_000

    def make(self, subject: str, now: int) -> str:
        """A nonce for a subject as of now (microseconds)."""
        body = _HEAD.pack(max(now, 0), secrets.token_bytes(8)) + subject.encode()
        return base64.urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def read(self, nonce: str, now: int) -> str:
        """Whose nonce this is. Raises ValueError: it is not ours, or too old."""
        try:
            text = nonce.encode("ascii")[:MAX_NONCE]
            raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except (UnicodeEncodeError, binascii.Error, ValueError):
            raise ValueError("the nonce is not one of ours") from None
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if len(body) <= _HEAD.size or not hmac.compare_digest(self._mac(body), mac):
            raise ValueError("the nonce is not one of ours")
        issued, _ = _HEAD.unpack_from(body)
        if not -SKEW_US <= now - issued <= self._lasts:
            raise ValueError("the nonce is too old; the caller gets another with its next request")
        return body[_HEAD.size :].decode()

    def spend(self, nonce: str) -> bool:
        """Use a nonce up; False when it was used before, by any worker. Raises OSError."""
        if self._directory is None:
            return True
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tidy()
        try:
            os.close(os.open(self._path(nonce), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def unspend(self, nonce: str) -> None:
        """Give a nonce back whose answer could not be recorded."""
        if self._directory is not None:
            self._path(nonce).unlink(missing_ok=True)

    def _path(self, nonce: str) -> Path:
        # Base64 has several spellings of one value: the file is named by the value.
        text = nonce.encode("ascii", "replace")[:MAX_NONCE]
        with contextlib.suppress(ValueError, binascii.Error):
            text = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        assert self._directory is not None
        return self._directory / f"{hashlib.sha256(text).hexdigest()}.spent"

    def _tidy(self) -> None:
        """Forget spent nonces that are too old to be answered anyway."""
        assert self._directory is not None
        old = time.time() - 2 * (self._lasts + SKEW_US) / 1_000_000
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            for seen, entry in enumerate(entries):
                if seen >= MAX_SPENT:
                    break
                if entry.name.endswith(".spent") and entry.stat().st_mtime < old:
                    Path(entry.path).unlink(missing_ok=True)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, b"step up\x00" + body, hashlib.sha256)[:_MAC]


class StepUp:
    """The mitigation. Any strength above 0 asks for a verification.

    `clock` gives microseconds since 1970. Without settings it is unavailable.
    """

    card = Card(
        name="step_up",
        version="1",
        technique="AML.T0024",
        measures="makes a caller verify itself with the operator before it goes on",
        blind_to="who verifies many accounts by hand or buys verified ones; what was taken",
        benign_causes="any honest caller on the rung; it loses the minutes that verifying takes, "
        "and an unattended job stops until somebody does",
        cost="6 us a request that is turned away, 0.3 us otherwise",
        lifecycle="calibrated",
        stage="gate",
        clashes=("refuse",),
    )

    def __init__(
        self,
        settings: StepUpSettings | None = None,
        *,
        key: bytes = bytes(32),
        directory: Path | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.settings = settings
        self.nonces = Nonces(key, directory, lasts_s=settings.nonce_s if settings else 900)
        self._clock = clock
        self._alive = directory / "alive" if directory is not None else None
        self._look = float("-inf")
        self._down = False
        self._vouched: dict[str, int] = {}

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request of a verified caller. Raises `Refused` (permission), `Unavailable`."""
        if strength <= 0:
            return request
        now = self._clock()
        if max(standing.verified, self._vouched.get(standing.subject, 0)) > now:
            return request
        settings = self.settings
        if settings is None or self.down():
            raise Unavailable
        url = _with(settings.url, self.nonces.make(standing.subject, now))
        raise Refused(
            Problem(
                kind="permission",
                message="this account must be verified before it goes on: open"
                f" {url} within {max(1, settings.nonce_s // 60)} minutes, then send the request"
                " again",
                code="verification_required",
                headers=(("titer-step-up", url),),
            )
        )

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """Replies of verified callers pass untouched."""
        del strength, standing
        return None

    def vouch(self, subject: str, until: int) -> None:
        """Let a subject pass here at once; the standings table will say it to all workers."""
        if len(self._vouched) >= MAX_VOUCHED:
            self._vouched.clear()  # at worst somebody waits a second for the table
        self._vouched[subject] = until

    def heard(self) -> None:
        """The verification service has spoken to some worker. Raises OSError."""
        if self._alive is not None:
            self._alive.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._alive.touch(mode=0o600)
            self._look = float("-inf")

    def down(self) -> bool:
        """Whether the service was not heard of for `alive_s`; looked up once a second."""
        settings = self.settings
        if settings is None or not settings.alive_s or self._alive is None:
            return False
        now = time.monotonic()
        if now - self._look >= LOOK_S:
            self._look = now
            try:
                ago = self._clock() / 1_000_000 - self._alive.stat().st_mtime
            except OSError:
                self._down = True
            else:
                self._down = ago > settings.alive_s
        return self._down


def check_url(url: str) -> None:
    """Raise ValueError unless callers can be sent there."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url or "#" in url:
        raise ValueError("url must be an http or https address without a fragment")


def _with(url: str, nonce: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}nonce={nonce}"
