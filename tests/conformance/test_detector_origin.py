"""The detector of origins keeps the contract on exchanges that have some."""

import msgspec

from titer.core.nouns import Origin
from titer.detect.origin import Origin as Detector
from titer.testing import check_detector, population


def _from_somewhere(exchange, number):
    came = Origin(
        ip=f"ip{number}", net=f"net{number}", asn=(0, 64_500 + number % 90)[number % 3 > 0],
        kind=("", "vpn", "tor", "moon")[number % 4], agent="Mozilla/5.0" * (number % 5 > 0),
        headers="ab" * 8, ja4="t13d" * (number % 2),
    )  # fmt: skip
    return msgspec.structs.replace(exchange, origin=came)


def test_origin_keeps_the_contract_on_origins():
    log = [_from_somewhere(e, n) for n, e in enumerate(population.harvester(9))]
    check_detector(Detector(), exchanges=log)
