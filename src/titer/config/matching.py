"""The table of `titer.toml` about private matching over HTTP: `[match]`."""

from __future__ import annotations

import msgspec

from titer.config.paths import FilePath
from titer.config.secrets import SecretRef
from titer.config.sharing import check_name, check_own_port
from titer.core.indicators import KINDS


class MatchPartnerTable(msgspec.Struct, frozen=True, kw_only=True):
    """One partner that may ask, and may be asked: `[match.partners.NAME]`.

    token: what the partner shows to be answered, by reference: at least 32 characters, sent as
        `authorization: Bearer ...`.
    subject: the common name of the certificate that the partner shows; needs `clients`. With
        `token` both are asked for, and one of them must be set for a partner that may ask.
    per_day: offers of the partner that are answered in 24 hours.
    per_month: ... in 30 days, with those that `titer match answer` answered.
    most: most indicators that its offer may hold: each may be a guess.
    count_only: the partner learns how many are shared, and not which.
    url: where the partner is asked by `titer match ask`; its host must be under `hosts` or
        `private_hosts` of `[share]`.
    ask_token: what we show to be answered, by reference.
    kinds: which kinds of indicators take part; `asn` can be guessed, so it is not among them
        unless it is named.
    k: accounts that must have shown an indicator; 2 at least.
    campaigns: whose indicators take part; those of all that are not under review when left out.
    addresses: file of addresses from your own logs, one a line; ranges take part only with it.
    """

    token: SecretRef | None = None
    subject: str = ""
    per_day: int = 1
    per_month: int = 4
    most: int = 4096
    count_only: bool = False
    url: str = ""
    ask_token: SecretRef | None = None
    kinds: tuple[str, ...] = ("ipv4", "ipv6", "ja4", "headers")
    k: int = 5
    campaigns: tuple[str, ...] = ()
    addresses: FilePath | None = None

    def __post_init__(self) -> None:
        if not 0 < self.per_day <= self.per_month <= 1000:
            raise ValueError("per_day must be at least 1, per_month at least that, 1000 at most")
        if not 0 < self.most <= 65_536:
            raise ValueError("most must lie between 1 and 65536")
        if self.k < 2:
            raise ValueError("k must be at least 2: what one account shows names that account")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ValueError(f"kinds takes some of {', '.join(KINDS)}")
        if self.token is None and not self.subject and not self.url:
            raise ValueError("set token or subject for who may ask, url for who is asked")


class MatchTable(msgspec.Struct, frozen=True, kw_only=True):
    """Private matching over HTTP (`titer match serve` and `ask`).

    host: address to listen on; the default is reachable from this machine alone.
    port: port to listen on.
    certificate: PEM file of the certificate chain; needed beyond this machine, and shown to
        partners that ask for one.
    private_key: PEM file of the certificate's key.
    clients: PEM file of the roots of partners' certificates; with it every partner must show one.
    sender: what to call yourself in messages.
    partners: with whom, as `[match.partners.NAME]`.
    """

    host: str = "127.0.0.1"
    port: int = 8444
    certificate: FilePath | None = None
    private_key: FilePath | None = None
    clients: FilePath | None = None
    sender: str = "titer"
    partners: dict[str, MatchPartnerTable] = {}

    def __post_init__(self) -> None:
        check_own_port(self.host, self.port, self.certificate, self.private_key)
        if self.clients is not None and self.certificate is None:
            raise ValueError("clients needs certificate: partners show theirs over TLS alone")
        if not self.sender.isprintable() or not 0 < len(self.sender) <= 100:
            raise ValueError("sender is one line of at most 100 characters")
        for name, partner in self.partners.items():
            check_name(name)
            if partner.subject and self.clients is None:
                raise ValueError("subject needs clients: nobody checks certificates without it")
