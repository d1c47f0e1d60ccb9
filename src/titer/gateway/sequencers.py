"""Who keeps the log where several gateways share one."""

from __future__ import annotations

import time
from pathlib import Path

from titer.core.errors import ConfigError
from titer.core.unprinted import Unprinted
from titer.evidence.lease import Lease, SqliteLease
from titer.gateway.fetch import Peer

#: Seconds between two tries of a standby to become the sequencer.
STANDBY = 2.0


class Sequencing(Unprinted, frozen=True):
    """`listen` (HOST, PORT) takes other gateways' exchanges; `at` sends ours to a sequencer, under
    `name`. `lease_file` or `lease` (a PostgreSQL address, a secret) says who may write the log;
    a `standby` waits until it may.
    """

    listen: tuple[str, int] | None = None
    at: tuple[Peer, ...] = ()
    name: str = ""
    certificate: Path | None = None
    private_key: Path | None = None
    ca: Path | None = None
    lease: str = ""
    lease_file: Path | None = None
    standby: bool = False

    def make_lease(self) -> Lease | None:
        """The lease, not taken yet. Raises `ConfigError`."""
        if self.lease:
            from titer.gateway.pg_lease import PostgresLease  # noqa: PLC0415 - an extra

            return PostgresLease(self.lease)
        if self.lease_file is not None:
            return SqliteLease(self.lease_file)
        return None


def wait(sequencing: Sequencing, log: str) -> None:
    """As a standby, wait until nobody holds the lease. Whoever is first then holds it: the other
    is refused, and is to be started again.
    """
    while sequencing.standby:
        lease = sequencing.make_lease()
        if lease is None:
            raise ConfigError("a standby waits for a lease: set lease or lease_file")
        try:
            if lease.free(log):
                return
        except OSError:  # the database cannot be asked: nobody can know who holds it
            pass
        time.sleep(STANDBY)
