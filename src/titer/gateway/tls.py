"""TLS towards clients: our own certificate, TLS 1.2 or newer, HTTP/1.1."""

from __future__ import annotations

import ssl

from titer.gateway.settings import GatewaySettings


def server_context(settings: GatewaySettings) -> ssl.SSLContext | None:
    """The context to listen with, or None for plain HTTP. Raises OSError for unreadable files."""
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certificate, settings.private_key)
    context.set_alpn_protocols(["http/1.1"])
    return context
