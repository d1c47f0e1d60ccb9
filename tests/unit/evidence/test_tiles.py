"""Tiles: paths, immutability, and what is refused on reading."""

from __future__ import annotations

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import merkle
from titer.evidence.tiles import (
    Tiles,
    TreeWriter,
    decode_bundle,
    encode_bundle,
    full_tiles,
    tile_path,
)


def lines(start, count):
    return [b"entry %d" % i + b"." * 100 for i in range(start, start + count)]


def grown(root, size):
    tree = TreeWriter(root)
    tree.extend(lines(0, size))
    tree.write()
    return tree


def root_of(size):
    tree = merkle.CompactRange()
    for line in lines(0, size):
        tree.append(merkle.leaf_hash(line))
    return tree.root()


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 999, 1, "tile/0/999.p/1"),
        (1, 1_000, 256, "tile/1/x001/000"),
        (2, 1_234_067, 255, "tile/2/x001/x234/067.p/255"),
        (None, 12, 256, "tile/entries/012"),
        (None, 12_345_678, 3, "tile/entries/x012/x345/678.p/3"),
    ],
)
def test_paths_are_those_of_the_specification(level, number, width, path):
    assert tile_path(level, number, width) == path


def test_a_bundle_holds_its_entries():
    entries = [b"", b"a", b"b" * 65_535]
    data = encode_bundle(entries)
    assert data[:5] == b"\x00\x00\x00\x01a"
    assert decode_bundle(data, 3) == entries
    with pytest.raises(ValueError, match="65535"):
        encode_bundle([b"x" * 65_536])


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"\x00", 1), (b"\x00\x02a", 1), (b"\x00\x01a", 2), (b"\x00\x01a\x00\x01b", 1), (b"", 1)],
)
def test_a_bundle_with_more_or_less_is_refused(data, width):
    with pytest.raises(EvidenceError, match="bundle"):
        decode_bundle(data, width)


def test_which_tiles_a_tree_has():
    assert list(full_tiles(255)) == []
    assert list(full_tiles(513)) == [(None, 0), (None, 1), (0, 0), (0, 1)]
    assert list(full_tiles(65_536))[-1] == (1, 0)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 700, 1025])
def test_proofs_from_tiles_hold(tmp_path, size):
    tree = grown(tmp_path, size)
    assert tree.root() == root_of(size)
    nodes = Tiles(tmp_path).nodes(size)
    for index in {0, size // 2, size - 1}:
        leaf = merkle.leaf_hash(lines(index, 1)[0])
        merkle.verify_inclusion(
            leaf,
            merkle.inclusion_proof(index, size, nodes),
            index=index,
            size=size,
            root=tree.root(),
        )
    for old in {1, size // 2 or 1, size}:
        merkle.verify_consistency(
            merkle.consistency_proof(old, size, nodes),
            old=old,
            new=size,
            old_root=root_of(old),
            new_root=tree.root(),
        )


def test_the_third_level(tmp_path):
    size = 65_536 + 300
    tree = grown(tmp_path, size)
    assert (tmp_path / "tile/1/000").stat().st_size == 8192
    assert (tmp_path / "tile/2/000.p/1").stat().st_size == 32
    tiles = Tiles(tmp_path)
    assert [len(level) for level in tiles.levels(size)] == [44, 1, 1]
    assert merkle.root_hash(size, tiles.nodes(size)) == tree.root() == root_of(size)
    assert not tiles.missing(size)


def test_growing_step_by_step_is_growing_at_once(tmp_path):
    tree = TreeWriter(tmp_path / "a")
    for start, count in ((0, 1), (1, 254), (255, 1), (256, 300), (556, 0), (556, 500)):
        tree.extend(lines(start, count))
        tree.write()
        assert tree.root() == root_of(tree.size)
    grown(tmp_path / "b", 1056)
    full = [p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*") if p.is_file()]
    for path in full:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_a_tree_goes_on_from_its_right_edge(tmp_path):
    grown(tmp_path, 700)
    tiles = Tiles(tmp_path)
    again = TreeWriter(
        tmp_path, size=700, levels=tiles.levels(700), bundle=tiles.bundle(2, 700 - 512)
    )
    assert again.root() == root_of(700)
    again.extend(lines(700, 100))
    again.write()
    assert again.root() == root_of(800)


def test_partial_tiles_go_when_the_full_one_is_there(tmp_path):
    tree = grown(tmp_path, 100)
    assert (tmp_path / "tile/0/000.p/100").exists()
    tree.extend(lines(100, 50))
    tree.write()
    assert (tmp_path / "tile/0/000.p/100").exists()
    assert (tmp_path / "tile/entries/000.p/150").exists()
    tree.extend(lines(150, 106))
    assert tree.waiting == 2
    tree.write()
    assert tree.waiting == 0
    assert not (tmp_path / "tile/0/000.p").exists()
    assert not (tmp_path / "tile/entries/000.p").exists()
    older = Tiles(tmp_path)  # whoever still holds the head of size 100 reads the full tile
    assert merkle.root_hash(100, older.nodes(100)) == root_of(100)
    assert older.bundle(0, 100) == lines(0, 100)


def test_a_wider_partial_tile_serves_an_older_head(tmp_path):
    grown(tmp_path, 100)
    assert merkle.root_hash(60, Tiles(tmp_path).nodes(60)) == root_of(60)


def test_a_tile_never_changes(tmp_path):
    grown(tmp_path, 256)
    path = tmp_path / "tile/0/000"
    path.write_bytes(b"\x00" * 8192)
    other = TreeWriter(tmp_path)
    other.extend(lines(0, 256))
    with pytest.raises(EvidenceError, match="differs from the journal"):
        other.write()
    other.repair = True
    other.write()
    assert merkle.root_hash(256, Tiles(tmp_path).nodes(256)) == root_of(256)


@pytest.mark.parametrize("damage", ["gone", "short", "long"])
def test_missing_and_damaged_tiles_are_seen(tmp_path, damage):
    grown(tmp_path, 600)
    assert not Tiles(tmp_path).missing(600)
    path = tmp_path / "tile/0/001"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 8192 - 32] + b"x" * (64 if damage == "long" else 0))
    assert Tiles(tmp_path).missing(600)
    with pytest.raises(EvidenceError, match="missing or damaged"):
        Tiles(tmp_path).nodes(600)(0, 300)


def test_a_missing_bundle_is_seen(tmp_path):
    grown(tmp_path, 600)
    (tmp_path / "tile/entries/000").write_bytes(b"")
    assert Tiles(tmp_path).missing(600)
    (tmp_path / "tile/entries/000").unlink()
    assert Tiles(tmp_path).missing(600)
    with pytest.raises(EvidenceError, match="is missing"):
        Tiles(tmp_path).bundle(0, 256)


def test_tiles_beyond_the_journal_are_seen(tmp_path):
    grown(tmp_path, 300)
    tiles = Tiles(tmp_path)
    assert [tiles.beyond(size) for size in (255, 256, 299, 300, 301)] == [
        *(True, True, True),
        *(False, False),
    ]
    (tmp_path / "tile/0/001.p/5.tmp").write_bytes(b"")
    assert not tiles.beyond(300)
