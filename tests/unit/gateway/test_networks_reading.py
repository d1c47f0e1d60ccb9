"""Lists of networks as they are found, row by row, and what is wrong with some."""

import gzip
from ipaddress import ip_address

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from titer.core.errors import InputError
from titer.gateway.networks import reading
from titer.gateway.networks.reading import Choice, rows
from titer.gateway.networks.table import Row


def n(text):
    return int(ip_address(text))


def read(tmp_path, text, *, kind="vpn", name="list.txt", choices=()):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(rows(path, kind=kind, choices=choices))


def test_plain_text_of_networks_addresses_and_ranges(tmp_path):
    text = "# a list\n192.0.2.0/24\n\n203.0.113.7\n198.51.100.1 - 198.51.100.9\n; old\n"
    text += "2001:db8::/48\n"
    assert read(tmp_path, text) == [
        Row(4, n("192.0.2.0"), n("192.0.2.255"), 0, ""),
        Row(4, n("203.0.113.7"), n("203.0.113.7"), 0, ""),
        Row(4, n("198.51.100.1"), n("198.51.100.9"), 0, ""),
        Row(6, n("2001:db8::"), n("2001:db8:0:ffff:ffff:ffff:ffff:ffff"), 0, ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "start,end,asn,org\n192.0.2.0,192.0.2.255,64500,Acme\n",
        "192.0.2.0,192.0.2.255,64500,Acme\n",
        "192.0.2.0/24,AS64500,Acme\n",
        "3221225984,3221226239,64500,Acme\n",
        'ASN,Prefix,"AS Org"\n64500,192.0.2.0/24,Acme\n',
        "Start_IP\tEnd-IP\tas number\tas_name\n192.0.2.0\t192.0.2.255\tas64500\tAcme\n",
    ],
)
def test_every_shape_of_a_row_with_a_number(tmp_path, text):
    got = read(tmp_path, text, kind="asn")
    assert got == [Row(4, n("192.0.2.0"), n("192.0.2.255"), 64500, "Acme")]


def test_quotes_and_a_byte_order_mark(tmp_path):
    text = b'\xef\xbb\xbfcidr,provider\n2001:db8::/32,"Acme, Inc."\n'
    assert read(tmp_path, text) == [Row(6, n("2001:db8::"), n("2001:db9::") - 1, 0, "Acme, Inc.")]


def test_network_numbers_alone_and_domains(tmp_path):
    got = read(tmp_path, 'ASN,Entity\n64500,"Acme, NL"\nAS64501,\n', kind="bad-asn")
    assert got == [Row(0, 0, 0, 64500, "Acme, NL"), Row(0, 0, 0, 64501, "")]
    assert read(tmp_path, "64500\n", kind="bad-asn") == [Row(0, 0, 0, 64500, "")]
    got = read(tmp_path, "Mail.Example\n0-mail.com\n", kind="disposable")
    assert [row.name for row in got] == ["mail.example", "0-mail.com"]


@pytest.mark.parametrize(("suffix", "pack"), [
    (".gz", gzip.compress), (".zst", lambda b: zstandard.ZstdCompressor().compress(b)),
])  # fmt: skip
def test_packed_lists(tmp_path, suffix, pack):
    got = read(tmp_path, pack(b"192.0.2.1\n"), name="list.txt" + suffix)
    assert got == [Row(4, n("192.0.2.1"), n("192.0.2.1"), 0, "")]


def test_parquet_of_numbers_bytes_and_text(tmp_path):
    four = {"start": pa.array([n("192.0.2.0")], pa.uint32()), "end": pa.array([n("192.0.2.9")]),
            "asn": pa.array([64500], pa.uint32()), "org": ["Acme"]}  # fmt: skip
    packed = pa.binary(16)
    six = {"start": pa.array([ip_address("2001:db8::").packed], packed),
           "end": pa.array([ip_address("2001:db8::9").packed], packed),
           "asn": [64501], "org": [None]}  # fmt: skip
    for name, table in (
        ("4", four),
        ("6", six),
        ("c", {"list": ["a", "b"], "cidr": ["192.0.2.0/24", "192.0.3.1"]}),
    ):
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    assert list(rows(tmp_path / "4.parquet", kind="asn")) == [
        Row(4, n("192.0.2.0"), n("192.0.2.9"), 64500, "Acme")
    ]
    assert list(rows(tmp_path / "6.parquet", kind="asn")) == [
        Row(6, n("2001:db8::"), n("2001:db8::9"), 64501, "")
    ]
    only = [Choice.parse("list=b", leave=False)]
    assert list(rows(tmp_path / "c.parquet", kind="vpn", choices=only)) == [
        Row(4, n("192.0.3.1"), n("192.0.3.1"), 0, "b")
    ]


def test_rows_are_chosen_by_a_column(tmp_path):
    text = "provider,cidr\na,192.0.2.1\nb,192.0.2.2\nc,192.0.2.3\n"
    only, without = (
        Choice.parse("Provider=a,b", leave=False),
        Choice.parse("provider=b", leave=True),
    )
    got = read(tmp_path, text, choices=[only])
    assert [row.name for row in got] == ["a", "b"]
    assert [row.name for row in read(tmp_path, text, choices=[only, without])] == ["a"]
    with pytest.raises(InputError, match="no column 'colour'; there are provider, cidr"):
        read(tmp_path, text, choices=[Choice.parse("colour=a", leave=False)])
    for wrong in ("colour", "=a", "a="):
        with pytest.raises(InputError, match="COLUMN=VALUE"):
            Choice.parse(wrong, leave=False)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("192.0.2.0/24\n192.0.2.1/24\n", "vpn", ":2: bits are set.*192.0.2.0/24"),
        ("192.0.2.0/24\nnonsense\n", "vpn", ":2: no network"),
        ("192.0.2.9 - 192.0.2.1\n", "vpn", ":1: a range that ends before"),
        ("192.0.2.9 - 2001:db8::1\n", "vpn", ":1: a range from one family"),
        ("0.0.0.0/0\n", "vpn", ":1: a network wider than /8"),
        ("2000::/3\n", "tor", ":1: a network wider than /16"),
        ("192.0.2.0/24,AS99999999999\n", "asn", ":1: no network number"),
        ("192.0.2.0/24,x\n", "asn", ":1: no network number"),
        ("192.0.2.0/24\n", "asn", ":1: no network number"),
        ("cidr,org\n192.0.2.0/24,x\n", "asn", ":1: no column that a list of kind asn needs"),
        ("a@b.example\n", "disposable", ":1: no domain"),
        ('192.0.2.0/24,"x\n', "vpn", ":1: quotes"),
        (b"192.0.2.0/24\n\xff\n", "vpn", ":2: not UTF-8"),
        ("9" * 5000 + "\n", "vpn", ":1: a line of more"),
        ("9" * 4000 + "," + "9" * 40 + "\n", "vpn", ":1: no "),
    ],
)
def test_a_bad_row_refuses_the_list_and_is_named(tmp_path, text, kind, said):
    with pytest.raises(InputError, match="list.txt" + said):
        read(tmp_path, text, kind=kind)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        list(rows(tmp_path / "none.csv", kind="vpn"))
    for name in ("x.parquet", "x.csv.gz", "x.csv.zst"):
        (tmp_path / name).write_bytes(b"not what it says")
        with pytest.raises(InputError, match=name):
            list(rows(tmp_path / name, kind="vpn"))
    bad = pa.table({"cidr": ["192.0.2.0/24", "x"]})
    pq.write_table(bad, tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=r"bad.parquet: row 2: no network"):
        list(rows(tmp_path / "bad.parquet", kind="vpn"))


def test_too_many_rows_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_RANGES", 2)
    with pytest.raises(InputError, match="split the list"):
        read(tmp_path, "192.0.2.1\n192.0.2.3\n192.0.2.5\n")


def test_what_steers_a_terminal_is_taken_out_of_names(tmp_path):
    (row,) = read(tmp_path, "192.0.2.1,Ac\u202eme\x1b[31m\n")
    assert row.name == "Acme[31m"


def test_a_parquet_file_that_repeats_one_long_value_is_refused_unread(tmp_path):
    """Half a kilobyte that would be 2 GB of names."""
    rows_, text = 2_000, pa.array(["a" * 1_000_000])
    names = pa.DictionaryArray.from_arrays(pa.array([0] * rows_, pa.int32()), text)
    table = pa.table({"network": ["198.51.100.0/24"] * rows_, "name": names})
    pq.write_table(table, tmp_path / "bomb.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
    with pytest.raises(InputError, match="a value of more than 4096 bytes is no name"):
        list(rows(tmp_path / "bomb.parquet", kind="vpn"))
    nested = pa.table({"network": [["198.51.100.0/24"]], "name": ["x"]})
    pq.write_table(nested, tmp_path / "nested.parquet")
    with pytest.raises(InputError, match="lists or structs"):
        list(rows(tmp_path / "nested.parquet", kind="vpn"))
