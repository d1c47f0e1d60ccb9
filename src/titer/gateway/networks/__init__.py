"""Which network an address belongs to, and of what kind it is: imported lists, signed and dated.

    a list -> reading.rows -> table.build -> snapshot.seal -> DIR/networks/NAME.networks
    DIR/networks -> store.Store.load (verified) -> places.Networks -> an origin's `asn` and `kind`

No list comes with titer. Nothing here goes to the network.
"""

from __future__ import annotations

from titer.gateway.networks.places import NOWHERE, Networks, Places, Used
from titer.gateway.networks.snapshot import KINDS, Manifest, Snapshot
from titer.gateway.networks.store import Store, Watch, load, used

__all__ = [
    "KINDS", "NOWHERE", "Manifest", "Networks", "Places", "Snapshot", "Store", "Used", "Watch",
    "load", "used",
]  # fmt: skip
