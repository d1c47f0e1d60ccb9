"""The tables of `titer.toml` about partners, SIEMs and paging: `[share]`, `[taxii]`, `[level]`."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from titer.config.paths import FilePath, FilePlace
from titer.config.secrets import SecretRef

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SCHEMES = (
    "https://", "http://", "syslog+tcp://", "syslog+tls://", "syslog+udp://", "kafka://", "file:",
)  # fmt: skip
Kind = Literal["finding", "decision", "campaign", "attention", "level"]


class PartnerTable(msgspec.Struct, frozen=True, kw_only=True):
    """One partner whose indicators are pulled: `[share.partners.NAME]`.

    url: the TAXII 2.1 collection, such as `https://taxii.example/api/collections/ID/`; its host
        must be under `hosts` or `private_hosts`.
    token: the token for it, by reference; sent as `authorization: Bearer ...`.
    inbox: the partner's TAXII 2.1 collection that `titer taxii push` posts to and `titer taxii
        delete` deletes from, with the same token; none when left out.
    weight: what the partner's word weighs, 0 to 1; the partner's own confidence is multiplied in.
    days: how long an indicator is held when the partner does not say; 90 at most.
    unmarked: the TLP of what bears no marking.
    """

    url: str
    token: SecretRef
    inbox: str = ""
    weight: float = 0.5
    days: int = 30
    unmarked: str = "amber+strict"

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError("weight must lie above 0 and at most at 1")
        if not 0 < self.days <= 90:
            raise ValueError("days must lie between 1 and 90")


class WebhookTable(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook: `[[share.webhooks]]`.

    name: what the place in the log is kept under; small letters, digits and hyphens.
    url: where events are posted; its host must be under `hosts` or `private_hosts`.
    secret: the key, by reference: `whsec_` and base64 of 24 to 64 bytes (HMAC-SHA-256), or
        `whsk_` and base64 of 32 bytes (Ed25519).
    signatures: `standard` (Standard Webhooks 1.0.0), `rfc9421` (HTTP Message Signatures with
        Ed25519 and a content-digest; needs a `whsk_` key), or `both`.
    kinds: which entries of the log are sent.
    """

    name: str
    url: str
    secret: SecretRef
    signatures: Literal["standard", "rfc9421", "both"] = "standard"
    kinds: tuple[Kind, ...] = ("campaign", "decision", "level")

    def __post_init__(self) -> None:
        check_name(self.name)


class StreamTable(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of OCSF events: `[[share.streams]]`.

    name: what the place in the log is kept under; small letters, digits and hyphens.
    to: `https://HOST/PATH` (newline-delimited JSON by POST), `syslog+tls://HOST:PORT`,
        `syslog+tcp://`, `syslog+udp://` (RFC 5424), `kafka://HOST:PORT/TOPIC` (needs the extra
        `titer[kafka]`), or `file:PATH`. A host must be under `hosts` or `private_hosts`.
    token: for `https`, by reference; sent as `authorization: Bearer ...`.
    kinds: which entries of the log are sent.
    """

    name: str
    to: FilePlace
    token: SecretRef | None = None
    kinds: tuple[Kind, ...] = ("finding", "decision", "campaign", "attention", "level")

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.to.startswith(_SCHEMES):
            raise ValueError(f"to must begin with one of {', '.join(_SCHEMES)}")


class ShareTable(msgspec.Struct, frozen=True, kw_only=True):
    """Partners, webhooks and streams. Nothing is sent anywhere unless it is named here.

    hosts: hosts in public networks that titer may send to and pull from.
    private_hosts: hosts that may also be this machine or in a private network, and by `http`.
    ca: PEM file of an authority that signs their certificates, besides the system's.
    partners: whom indicators are pulled from, as `[share.partners.NAME]`.
    webhooks: what is told of campaigns and decisions, signed.
    streams: where OCSF events go.
    """

    hosts: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    ca: FilePath | None = None
    partners: dict[str, PartnerTable] = {}
    webhooks: tuple[WebhookTable, ...] = ()
    streams: tuple[StreamTable, ...] = ()

    def __post_init__(self) -> None:
        for name in self.partners:
            check_name(name)
        names = [w.name for w in self.webhooks] + [s.name for s in self.streams]
        if len(set(names)) < len(names):
            raise ValueError("each webhook and stream needs a name of its own")


class ReaderTable(msgspec.Struct, frozen=True, kw_only=True):
    """One partner that may come: `[taxii.readers.NAME]`.

    token: its token, by reference: at least 32 characters. It is sent as a Bearer token, or as the
        password of HTTP Basic.
    collections: which collections it may read.
    inbox: whether it may post indicators, which become attention.
    weight: what the partner's word weighs, 0 to 1.
    days: how long what it posts is held when it does not say; 90 at most.
    """

    token: SecretRef
    collections: tuple[str, ...] = ()
    inbox: bool = False
    weight: float = 0.5
    days: int = 30

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError("weight must lie above 0 and at most at 1")
        if not 0 < self.days <= 90:
            raise ValueError("days must lie between 1 and 90")
        for name in self.collections:
            check_name(name)
            if name.startswith("inbox-"):
                raise ValueError("a collection's name must not begin with inbox-")


class TaxiiTable(msgspec.Struct, frozen=True, kw_only=True):
    """The TAXII 2.1 server (`titer taxii serve`).

    host: address to listen on; the default is reachable from this machine alone.
    port: port to listen on.
    certificate: PEM file of the certificate chain; needed beyond this machine.
    private_key: PEM file of the certificate's key.
    title: what discovery says.
    contact: whom discovery names.
    readers: who may come, as `[taxii.readers.NAME]`.
    """

    host: str = "127.0.0.1"
    port: int = 8443
    certificate: FilePath | None = None
    private_key: FilePath | None = None
    title: str = "titer"
    contact: str = ""
    readers: dict[str, ReaderTable] = {}

    def __post_init__(self) -> None:
        check_own_port(self.host, self.port, self.certificate, self.private_key)
        for name in self.readers:
            check_name(name)


def check_name(name: str) -> None:
    """Raise ValueError for what can name no partner, stream or collection."""
    if not _NAME.fullmatch(name):
        raise ValueError("a name is small letters, digits and hyphens, 64 at most")


def check_own_port(host: str, port: int, certificate: str | None, private_key: str | None) -> None:
    """Raise ValueError for where nothing may listen: without TLS beyond this machine, say."""
    if not 0 <= port <= 65_535:
        raise ValueError("port must lie between 0 (any free one) and 65535")
    if (certificate is None) != (private_key is None):
        raise ValueError("certificate and private_key: set both, or neither")
    if certificate is None and host not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("certificate and private_key are needed beyond this machine")
