"""TLS towards clients: our own certificate, TLS 1.2 or newer, HTTP/1.1."""

from __future__ import annotations

import ssl
from pathlib import Path

from titer.core.errors import ConfigError
from titer.gateway.hello import NotingContext
from titer.gateway.settings import GatewaySettings


def server_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """The context to listen with, or None for plain HTTP. Raises `ConfigError` for files that
    cannot be used.
    """
    if settings.certificate is None:
        return None
    return listening(settings.certificate, settings.private_key, kind=NotingContext)


def listening(
    certificate: str | Path,
    private_key: str | Path | None,
    *,
    clients: Path | None = None,
    kind: type[ssl.SSLContext] = ssl.SSLContext,
) -> ssl.SSLContext:
    """A context of `kind` to listen with; `clients` are the roots of certificates that callers
    must show.

    Raises `ConfigError` for files that cannot be used.
    """
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, private_key)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # SSLError is one: files that are not what they should be
        raise ConfigError(
            f"certificate {certificate} with private key {private_key} cannot be used "
            f"({error.strerror or error})"
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
