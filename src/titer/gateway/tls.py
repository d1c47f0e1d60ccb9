"""TLS towards clients: our own certificate, TLS 1.2 or newer, HTTP/1.1."""

from __future__ import annotations

import ssl

from titer.core.errors import ConfigError
from titer.gateway.settings import GatewaySettings


def server_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """The context to listen with, or None for plain HTTP. Raises `ConfigError` for files that
    cannot be used.
    """
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.private_key)
    except OSError as error:  # SSLError is one: files that are not what they should be
        raise ConfigError(
            f"gateway.certificate {settings.certificate} with gateway.private_key "
            f"{settings.private_key} cannot be used ({error.strerror or error})"
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
