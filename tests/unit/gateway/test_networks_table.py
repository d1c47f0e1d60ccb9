"""Tables of ranges: looking up is the same as reading the whole list."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import EvidenceError
from titer.gateway.networks import table
from titer.gateway.networks.table import Row, Table, build

#: Small worlds, so that ranges overlap and touch; two of IPv6 reach over the middle of 128 bits.
BASES = {4: (0, (1 << 32) - 40), 6: (0, (1 << 64) - 20, (5 << 64) - 3, (1 << 128) - 40)}


@st.composite
def lists(draw):
    out = []
    for index in range(draw(st.integers(0, 14))):
        version = draw(st.sampled_from((4, 6)))
        base = draw(st.sampled_from(BASES[version]))
        first = base + draw(st.integers(0, 30))
        last = min(first + draw(st.integers(0, 9)), (1 << (32 if version == 4 else 128)) - 1)
        out.append(Row(version, first, last, draw(st.integers(0, 3)), f"n{index % 3}"))
    return out


def scan(rows, version, address):
    """The rule, read off the list: the smallest range, of equal ones the last."""
    hits = [(r.last - r.first, -i) for i, r in enumerate(rows)
            if r.version == version and r.first <= address <= r.last]  # fmt: skip
    return rows[-min(hits)[1]] if hits else None


@given(lists(), st.integers(0, 45))
@settings(max_examples=300, deadline=None)
def test_a_look_up_is_a_scan_of_the_list(rows, offset):
    made = build(rows)
    again = Table.load(made.dump())
    again.check()
    assert again.dump() == made.dump()
    for version, bases in BASES.items():
        for base in bases:
            address = min(base + offset, (1 << (32 if version == 4 else 128)) - 1)
            owner = again.find4(address) if version == 4 else again.find6(address)
            expected = scan(rows, version, address)
            if expected is None:
                assert owner == -1
            else:
                assert (again.asns[owner], again.name(owner)) == (expected.asn, expected.name)


def test_neighbours_of_one_owner_are_joined():
    made = build([Row(4, 10, 19, 1, "a"), Row(4, 20, 29, 1, "a"), Row(4, 30, 39, 2, "a")])
    assert (list(made.first4), list(made.last4)) == ([10, 30], [29, 39])
    assert (made.find4(9), made.find4(40)) == (-1, -1)


def test_owners_without_ranges():
    made = build([Row(0, 0, 0, 64500, "Acme"), Row(0, 0, 0, 0, "mail.example")])
    assert list(made.asns) == [64500, 0]
    assert [made.name(0), made.name(1)] == ["Acme", "mail.example"]
    assert made.find4(0) == made.find6(0) == -1


def test_an_empty_table():
    made = Table.load(build([]).dump())
    assert made.find4(1) == made.find6(1) == -1


def test_too_many_ranges_are_refused(monkeypatch):
    monkeypatch.setattr(table, "MAX_RANGES", 1)
    with pytest.raises(ValueError, match="more than 1 ranges"):
        build([Row(4, 1, 1, 0, ""), Row(6, 1, 1, 0, "")])


def test_what_is_no_table_is_refused():
    data = build([Row(4, 1, 5, 7, "Acme"), Row(6, 1, 5, 8, "")]).dump()
    for broken in (b"", data[:10], data[:-1], data + b"x", b"XXXX" + data[4:]):
        with pytest.raises(EvidenceError):
            Table.load(broken)


@pytest.mark.parametrize(
    "rows",
    [
        [(9, 5, 0)],
        [(1, 5, 0), (5, 9, 0)],
        [(6, 9, 0), (1, 2, 0)],
        [(1, 5, 3)],
    ],
    ids=["backwards", "overlap", "unsorted", "no owner"],
)
def test_a_strangers_table_is_checked(rows):
    made = build([Row(4, 10 * i, 10 * i + 5, 7, "Acme") for i in range(len(rows))])
    for at, (first, last, owner) in enumerate(rows):
        made.first4[at], made.last4[at], made.owner4[at] = first, last, owner
    with pytest.raises(EvidenceError):
        Table.load(made.dump()).check()
    made = build([Row(0, 0, 0, 1, "ab")])
    made.ends[0] = 1
    with pytest.raises(EvidenceError, match="names"):
        made.check()
