"""Blocks of lines: order, numbers and offsets hold whatever the file is packed in."""

import io

import pytest
import zstandard

from titer.core.errors import InputError
from titer.gateway.feeds import lines
from titer.gateway.feeds.lines import Reader, opened


def read(data, *, packed=False, offset=0, line=1):
    reader = Reader(io.BytesIO(data), packed=packed, name="log")
    if offset:
        reader.skip(offset)
    return list(reader.blocks(offset=offset, line=line))


def test_lines_come_in_order_with_numbers_and_offsets():
    blocks = read(b"a\nbb\n\nccc")
    assert [(b.first, b.lines, b.end, b.last) for b in blocks] == [
        (1, [b"a", b"bb", b""], 6, False),
        (4, [b"ccc"], 9, True),
    ]


def test_a_file_without_lines_ends_at_once():
    assert [(b.lines, b.end, b.last) for b in read(b"")] == [([], 0, True)]


def test_reading_goes_on_at_an_offset_plain_and_packed():
    data = b"one\ntwo\nthree\n"
    for packed in (False, True):
        stored = zstandard.compress(data) if packed else data
        blocks = read(stored, packed=packed, offset=4, line=2)
        assert [line for b in blocks for line in b.lines] == [b"two", b"three"]
        assert blocks[0].first == 2
        assert blocks[-1].end == len(data)


def test_a_packed_file_of_several_frames_is_one_log():
    data = zstandard.compress(b"a\nb") + zstandard.compress(b"c\nd\n")
    assert [line for b in read(data, packed=True) for line in b.lines] == [b"a", b"bc", b"d"]


@pytest.mark.parametrize("block", [1, 3, 7, 64])
def test_a_line_that_is_too_long_is_dropped_and_counted(monkeypatch, block):
    monkeypatch.setattr(lines, "BLOCK", block)
    monkeypatch.setattr(lines, "MAX_LINE", 5)
    data = b"ok\n" + b"x" * 20 + b"\nfine\n" + b"y" * 9
    blocks = read(data)
    kept = [line for b in blocks for line in b.lines if line]
    assert [line for line in kept if len(line) <= 5] == [b"ok", b"fine"]
    assert [long for b in blocks for long in b.too_long] == [(2, 20), (4, 9)]
    assert blocks[-1].end == len(data)


def test_a_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(lines, "RATIO_GRACE", 1 << 20)
    data = zstandard.compress(b"\n" * (8 << 20))
    with pytest.raises(InputError, match="unpacks to more than"):
        read(data, packed=True)


def test_a_window_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(lines, "MAX_WINDOW", 1 << 17)
    wide = zstandard.ZstdCompressionParameters(window_log=22)
    packer = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    data = packer.compress(bytes(range(256)) * 40_000) + packer.flush()
    with pytest.raises(InputError, match="zstd -d"):
        read(data, packed=True)


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08", b"PK\x03\x04", b"PAR1", b"BZh9"])
def test_other_kinds_of_files_are_named(tmp_path, head):
    path = tmp_path / "log"
    path.write_bytes(head + b"rest")
    with pytest.raises(InputError, match="JSON Lines"):
        opened(path)


def test_what_is_no_regular_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a regular file"):
        opened(tmp_path)
    with pytest.raises(InputError, match="cannot be opened"):
        opened(tmp_path / "none")
