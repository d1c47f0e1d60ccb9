"""What a caller's ClientHello shows, noted where our own TLS takes it in.

    bytes of the connection -> MemoryBIO -> NotingObject.do_handshake -> OpenSSL
                                            `-> kept until the first answer goes out

The standard library lets a context name the class of its `SSLObject`, and hands it the two memory
buffers of every connection: nothing private is called, and any event loop that ends TLS in
memory works. What is kept is looked at only after the handshake, so that a connection which
fails it costs one copy of its first bytes; how long those may take is the handshake's time-out.
"""

from __future__ import annotations

import ssl

from titer.core import ja4


class NotingObject(ssl.SSLObject):
    """One connection's TLS; keeps the records of the ClientHello until the server has answered."""

    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO
    _records: bytearray
    _noting = False

    def note(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        """Keep what comes in from now on, until something goes out."""
        self._incoming, self._outgoing = incoming, outgoing
        self._records, self._noting = bytearray(), True

    def do_handshake(self) -> None:
        """As its parent. OpenSSL takes all that came, so each byte is seen here once."""
        if not self._noting:
            super().do_handshake()
            return
        data = self._incoming.read()
        if data:
            self._incoming.write(data)
            self._records += data
        if len(self._records) > ja4.MAX_RECORDS:
            self._noting, self._records = False, bytearray()
        try:
            super().do_handshake()
        finally:
            if self._outgoing.pending:
                self._noting = False

    def fingerprint(self) -> str:
        """JA4 of the ClientHello, "" when it cannot be told. Frees what was kept."""
        records, self._records = self._records, bytearray()
        return ja4.seen(bytes(records))


class NotingContext(ssl.SSLContext):
    """A context whose connections note the ClientHello."""

    sslobject_class = NotingObject

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As its parent."""
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(made, NotingObject):
            made.note(incoming, outgoing)
        return made
