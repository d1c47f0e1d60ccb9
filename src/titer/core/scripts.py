"""The script in which a text is mostly written: a guess from its bytes, cheap enough for all.

Returns ISO 15924 codes in lower case (`latn`, `cyrl`, `hani`, ...). It says which alphabet,
not which language: French and English are both `latn`.
"""

from __future__ import annotations

#: Bytes of a text that are looked at.
LOOK = 1024
#: Characters of another script that outweigh Latin ones: a quotation is not a language.
SHARE = 4

_BY_LEAD = {
    "grek": (0xCE, 0xCF), "cyrl": (0xD0, 0xD3), "hebr": (0xD7, 0xD7), "arab": (0xD8, 0xDB),
    "hani": (0xE4, 0xE9), "hang": (0xEB, 0xED),
}  # fmt: skip
_INDIC = {
    b"\xe0\xa4": "deva", b"\xe0\xa5": "deva", b"\xe0\xa6": "beng", b"\xe0\xa7": "beng",
    b"\xe0\xae": "taml", b"\xe0\xaf": "taml", b"\xe0\xb0": "telu", b"\xe0\xb1": "telu",
    b"\xe0\xb8": "thai", b"\xe0\xb9": "thai",
}  # fmt: skip
_KANA = (b"\xe3\x81", b"\xe3\x82", b"\xe3\x83")

_NAMES = tuple(_BY_LEAD)


def _table() -> bytes:
    table = bytearray(b"." * 256)
    for code in [*range(0x41, 0x5B), *range(0x61, 0x7B)]:
        table[code] = ord("l")
    for number, (low, high) in enumerate(_BY_LEAD.values()):
        for lead in range(low, high + 1):
            table[lead] = ord("A") + number
    return bytes(table)


_TABLE = _table()
# ASCII, continuation bytes, and the leads of Latin letters and of typographic marks.
_LATIN = bytes([*range(0xC0), *range(0xC2, 0xCC), 0xE2])


def script(data: bytes) -> str:
    """The script of UTF-8 text; `latn` for plain ASCII, `zyyy` when it has no letters."""
    if data.isascii():
        return "latn"
    head = data[:LOOK]
    if not head.translate(None, _LATIN):
        return "latn" if any(65 <= (byte & 0xDF) <= 90 for byte in head) else "zyyy"
    folded = head.translate(_TABLE)
    counts = {name: folded.count(65 + number) for number, name in enumerate(_NAMES)}
    counts["hira"] = sum(map(head.count, _KANA))
    if b"\xe0" in head:
        for lead, name in _INDIC.items():
            counts[name] = counts.get(name, 0) + head.count(lead)
    best = max(counts, key=lambda name: counts[name])
    if counts["hira"] * SHARE > counts["hani"] and counts["hira"]:
        best = "jpan"
        counts[best] = counts["hira"] + counts["hani"]
    latin = folded.count(b"l")
    if counts[best] * SHARE > latin:
        return best
    return "latn" if latin else "zyyy"
