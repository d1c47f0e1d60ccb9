"""From text to the token ids of the model that was marked: tokenizer files and their fingerprint.

A mark is a function of token ids: with another tokenizer's ids nothing is found, and nothing
says so. Hence a fingerprint of the vocabulary, kept beside every key's mark, and a refusal
when it is another one.

    tokenizer.json   any Hugging Face tokenizer, by the package `tokenizers` (`titer[tokens]`)
    *.tiktoken       one base64 token and its rank a line, by the package `tiktoken`, with the
                     pattern of the encoding that the file is named after

Text that came through other hands may have been normalised: NFC and NFKC of a text are not the
same tokens. Both are tried by `candidates`; the caller adjusts for it as for two keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from titer.core.errors import InputError
from titer.marks.contract import U32

#: Bytes of a tokenizer file: the largest published ones have 35 MB.
MAX_FILE = 128 << 20
#: Characters that are tokenized at once; longer texts are cut at line ends.
_PIECE = 1 << 20

#: How the encodings of tiktoken split text before they merge, as that package publishes it.
_GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
_CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|"""
    r""" ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CLITIC = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CLITIC}|"
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CLITIC}|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {
    "o200k_base": _O200K, "cl100k_base": _CL100K, "p50k_base": _GPT2, "r50k_base": _GPT2,
    "gpt2": _GPT2,
}  # fmt: skip


class Tokenizer(Protocol):
    """Text to ids. `fingerprint` is that of the vocabulary (`sha256:` and 64 hex digits)."""

    @property
    def fingerprint(self) -> str: ...

    def encode(self, text: str) -> U32:
        """The ids of a text, without special tokens."""
        ...


def load(path: Path, *, expected: str = "") -> Tokenizer:
    """Read a tokenizer file. Raises InputError when it is none, is too large, needs a package
    that is not installed, or has another fingerprint than `expected`.
    """
    data = _read(path)
    made = _tiktoken(path, data) if path.suffix == ".tiktoken" else _hugging_face(path, data)
    if expected and made.fingerprint != expected:
        raise InputError(
            f"{path} is another tokenizer than that of the marked model ({made.fingerprint[:23]}"
            f"... instead of {expected[:23]}...): nothing could be recognised; give that model's"
        )
    return made


def fingerprint(vocabulary: dict[bytes, int]) -> str:
    """SHA-256 over the sorted (id, token) pairs: the same however the file is laid out."""
    digest = hashlib.sha256(b"titer tokenizer\x00")
    for number, token in sorted((number, token) for token, number in vocabulary.items()):
        digest.update(number.to_bytes(8) + len(token).to_bytes(4) + token)
    return "sha256:" + digest.hexdigest()


def candidates(text: str) -> list[str]:
    """The text, and its normalised forms where they differ from it."""
    forms = (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFKC", text))
    return list(dict.fromkeys(forms))


class _HuggingFace:
    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        self.fingerprint = fingerprint(
            {t.encode("utf-8", "surrogatepass"): n for t, n in vocabulary.items()}
        )

    def encode(self, text: str) -> U32:
        ids: list[int] = []
        for piece in _pieces(text):
            ids += self._tokenizer.encode(piece, add_special_tokens=False).ids
        return np.array(ids, np.uint32)


class _Tiktoken:
    def __init__(self, encoding: Any, ranks: dict[bytes, int]) -> None:
        self._encoding = encoding
        self.fingerprint = fingerprint(ranks)

    def encode(self, text: str) -> U32:
        ids: list[int] = []
        for piece in _pieces(text):
            ids += self._encoding.encode_ordinary(piece)
        return np.array(ids, np.uint32)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise InputError(f"{path} has more than {MAX_FILE} bytes; give the tokenizer's own file")
    return data


def _hugging_face(path: Path, data: bytes) -> Tokenizer:
    try:
        from tokenizers import Tokenizer as Reader  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            "reading a tokenizer needs the package tokenizers: pip install 'titer[tokens]', or "
            "give token ids"
        ) from None
    try:
        return _HuggingFace(Reader.from_buffer(data))
    except Exception as error:  # noqa: BLE001 - the package raises plain Exception
        raise InputError(f"{path} is no tokenizer.json: {str(error)[:200]}") from None


def _tiktoken(path: Path, data: bytes) -> Tokenizer:
    ranks: dict[bytes, int] = {}
    try:
        for line in data.splitlines():
            if line:
                token, rank = line.split()
                ranks[base64.b64decode(token, validate=True)] = int(rank)
    except (ValueError, binascii.Error):
        raise InputError(f"{path}: line {len(ranks) + 1} is no base64 token and rank") from None
    try:
        import tiktoken  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            "reading a .tiktoken file needs the package tiktoken: pip install 'titer[tokens]', or "
            "give token ids"
        ) from None
    return _Tiktoken(
        tiktoken.Encoding(
            path.stem, pat_str=_pattern(path), mergeable_ranks=ranks, special_tokens={}
        ),
        ranks,
    )


def _pattern(path: Path) -> str:
    if path.stem not in _PATTERNS:
        raise InputError(
            f"{path.name} does not say how text is split: name the file after its encoding, "
            f"one of {', '.join(_PATTERNS)}"
        )
    return _PATTERNS[path.stem]


def _pieces(text: str) -> list[str]:
    """Parts of at most a million characters, cut behind line ends where there are any."""
    pieces = []
    begin = 0
    while len(text) - begin > _PIECE:
        end = text.rfind("\n", begin, begin + _PIECE) + 1 or begin + _PIECE
        pieces.append(text[begin:end])
        begin = end
    return [*pieces, text[begin:]]
