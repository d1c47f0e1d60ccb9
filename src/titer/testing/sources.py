"""The check that an engine counts right: against answers worked out row by row, in plain Python.

from titer.testing import check_source, make_facts
make_facts(folder, seed=1)
check_source(MySource(folder), folder)
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import Principal
from titer.hunt import facts, hashing
from titer.hunt.source import (
    BANDS,
    EVER,
    HOUR,
    HOUR_BINS,
    MAX_VALUES,
    SPAN_BINS,
    VALUES,
    Source,
    Span,
)

_DAY = 24 * HOUR
_CELLS = 4
Row = dict[str, int]


def make_facts(
    folder: Path, *, seed: int, rows: int = 600, accounts: int = 40, files: int = 3
) -> None:
    """Write random facts in which everything that can tie does: values, counts, times, draws."""
    rng = random.Random(seed)  # noqa: S311 - seeded random numbers are the point
    principals = [
        Principal(
            id=f"{rng.randrange(1 << 40):010x}{i:06x}",
            org=f"org-{rng.randrange(max(1, accounts // 4))}" if rng.random() < 0.4 else "",
            tier=rng.choice(("", "paid")),
            created=rng.choice((0, 1_700_000_000_000_000 + i)),
            grants=("distillation", "other") if rng.random() < 0.1 else (),
        )
        for i in range(accounts)
    ]
    begin = 1_770_000_000_000_000
    tokens = [rng.randrange(-(1 << 60), 1 << 60) for _ in range(max(1, rows // 8))]

    def row() -> Row:
        text = rng.random() < 0.85
        out = {
            "at": begin + rng.choice((rng.randrange(9 * _DAY), HOUR * rng.randrange(50))),
            "account": hashing.of_text(rng.choice(principals).id),
            "status": rng.choice((200, 200, 200, 200, 400, 503)),
            "chars": rng.choice((1, 80, 500)) if text else 0,
            "tokens_in": rng.randrange(50),
            "tokens_out": rng.randrange(900),
            "draw": rng.choice((rng.randrange(1 << 31), rng.randrange(4))),
            "exact": rng.randrange(-50, 50),
        }
        for name in (*VALUES, "endpoint"):
            out[name] = rng.choice((0, 1, -5, 7, rng.randrange(-40, 40), rng.choice(tokens)))
        for i in range(_CELLS):
            out[f"m{i}"] = rng.randrange(-3, 3)
        for i in range(BANDS):  # a value stands in one band only, and popular ones are few
            place = int(len(tokens) * rng.random() ** 3)
            out[f"f{i}"] = tokens[place] * BANDS + i if text and rng.random() < 0.95 else 0
        return out

    made = [row() for _ in range(rows)]
    folder.mkdir(parents=True, exist_ok=True)
    facts.write_accounts(folder / "accounts-000000-0000.parquet", principals)
    facts.write_accounts(
        folder / "accounts-000001-0000.parquet",  # told again, differently: the first counts
        [msgspec.structs.replace(p, org="elsewhere") for p in principals[: accounts // 3]],
    )
    for number in range(files):
        part = made[number::files]
        facts.write_rows(
            folder / f"rows-000000-{number:04d}.parquet",
            {name: np.array([r[name] for r in part], np.int64) for name in facts.COLUMNS},
        )
    facts.seal(folder)


def check_source(source: Source, folder: Path) -> None:
    """Raise AssertionError, naming the answer, unless `source` counts `folder` right."""
    Reference(folder).check(source)


class Reference:
    """The rows of a folder of facts as dictionaries, and the answers to everything about them."""

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415

        self.rows: list[Row] = []
        for path in facts.rows_files(folder):
            self.rows += pq.read_table(path).to_pylist()
        hashes, self.callers = facts.read_callers(folder)
        self.count = len(self.callers.subjects)
        unit = dict(zip(hashes.tolist(), self.callers.unit.tolist(), strict=True))
        for row in self.rows:
            row["unit"] = unit[row["account"]]
            row["text"] = row["chars"] > 0 and row["status"] < 400
        self.begin = min((row["at"] for row in self.rows), default=0)
        self.end = max((row["at"] for row in self.rows), default=0)

    def check(self, source: Source) -> None:
        """Every answer, with several questions for those that have parameters."""
        self._callers(source)
        self._totals(source)
        self._clock(source)
        for name in VALUES:
            self._values(source, name)
        everybody = np.ones(self.count, np.bool_)
        some = np.arange(self.count) % 3 > 0
        nothing = np.empty(0, np.int64)
        known = np.array(
            sorted({r[f"f{b}"] for r in self.rows for b in range(2)} - {0})[::2], np.int64
        )
        for least, most, active, without in (
            (1, self.count, everybody, nothing),
            (2, 4, everybody, known),
            (3, max(3, self.count // 3), some, nothing),
        ):
            self._tokens(source, least, most, active, without)
        middle = (self.begin + self.end) // 2
        spans = ((0, 0), (0, middle), (middle, 0), (middle // 2 + 1, middle), (self.end, 0))
        for places in ((0, 1, 2, 3, 4), (0,), (2,)):
            self._users(source, known, [spans[i] for i in places])
        self._users(source, nothing, spans[:2])
        for least in (2, 1, 4):
            self._uses(source, least, spans[least:])
        for units, most in ((range(self.count), 5), (range(0, self.count, 2), 10**6), ((), 3)):
            self._sample(source, np.array(list(units), np.int64), most)

    def _callers(self, source: Source) -> None:
        got, wanted = source.callers(), self.callers
        assert got.accounts == wanted.accounts, "callers: accounts"
        assert got.subjects == wanted.subjects, "callers: subjects"
        same("callers: unit", got.unit, wanted.unit)

    def _totals(self, source: Source) -> None:
        of: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            of[row["unit"]].append(row)
        got = source.totals()
        units = range(self.count)
        same("totals: rows", got.rows, [len(of[u]) for u in units])
        same("totals: texts", got.texts, [sum(r["text"] for r in of[u]) for u in units])
        out = [sum(r["tokens_out"] for r in of[u] if r["status"] < 400) for u in units]
        same("totals: tokens_out", got.tokens_out, out)
        seen = np.array([bool(of[u]) for u in units], np.bool_)
        busy = [u for u in units if of[u]]
        same("totals: first", got.first[seen], [min(r["at"] for r in of[u]) for u in busy])
        same("totals: last", got.last[seen], [max(r["at"] for r in of[u]) for u in busy])
        most = [
            min(Counter(r["endpoint"] for r in of[u]).items(), key=lambda c: (-c[1], c[0]))[0]
            for u in busy
        ]
        same("totals: endpoint", got.endpoint[seen], most)
        assert (got.begin, got.end) == (self.begin, self.end), "totals: begin, end"

    def _clock(self, source: Source) -> None:
        wanted = np.zeros((self.count, HOUR_BINS + SPAN_BINS), np.int64)
        for row in self.rows:
            wanted[row["unit"], row["at"] % _DAY * HOUR_BINS // _DAY] += 1
            past, span = row["at"] - self.begin, self.end - self.begin + 1
            wanted[row["unit"], HOUR_BINS + past * SPAN_BINS // span] += 1
        same("clock", source.clock(), wanted)

    def _values(self, source: Source, name: str) -> None:
        of: dict[int, Counter[int]] = defaultdict(Counter)
        for row in self.rows:
            if row[name]:
                of[row["unit"]][row[name]] += 1
        wanted = [
            (unit, value, rows)
            for unit in sorted(of)
            for value, rows in sorted(of[unit].items(), key=lambda c: (-c[1], c[0]))[:MAX_VALUES]
        ]
        got = source.values(name)
        for place, part in enumerate(("unit", "value", "rows")):
            same(f"values({name}): {part}", getattr(got, part), [w[place] for w in wanted])

    def _tokens(
        self,
        source: Source,
        least: int,
        most: int,
        active: npt.NDArray[np.bool_],
        without: npt.NDArray[np.int64],
    ) -> None:
        users: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        left_out = set(without.tolist())
        for row in self.rows:
            if not row["text"] or not active[row["unit"]]:
                continue
            for band in range(BANDS):
                token = row[f"f{band}"]
                if token and token not in left_out:
                    hour = (row["at"] - self.begin) // HOUR
                    users[token][row["unit"]].append(hour)
        kept = sorted(token for token, of in users.items() if least <= len(of) <= most)
        common = [of for of in users.values() if len(of) > most]
        hidden = np.zeros(self.count, np.int64)
        for of in common:
            for unit, hours in of.items():
                hidden[unit] += len(hours)
        got = source.tokens(least=least, most=most, active=active, without=without)
        pairs = [(u, users[t][u]) for t in kept for u in sorted(users[t])]
        what = f"tokens({least}, {most})"
        same(f"{what}: value", got.value, kept)
        sizes = [len(users[t]) for t in kept]
        same(f"{what}: start", got.start, np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))))
        same(f"{what}: unit", got.unit, [u for u, _ in pairs])
        same(f"{what}: rows", got.rows, [len(hours) for _, hours in pairs])
        same(f"{what}: first", got.first, [min(hours) for _, hours in pairs])
        assert got.common == len(common), f"{what}: common"
        same(f"{what}: common_rows", got.common_rows, hidden)

    def _users(self, source: Source, tokens: npt.NDArray[np.int64], spans: Sequence[Span]) -> None:
        wanted = [[len(of[token]) for token in tokens.tolist()] for of in map(self._said, spans)]
        same(f"users({spans})", source.users(tokens, spans), wanted)

    def _uses(self, source: Source, least: int, spans: Sequence[Span]) -> None:
        ever = self._said(EVER)
        tokens = sorted(token for token, of in ever.items() if token and len(of) >= least)
        got, what = source.uses(spans, least=least), f"uses({spans}, {least})"
        same(f"{what}: value", got.value, tokens)
        wanted = [[len(of[token]) for token in tokens] for of in map(self._said, spans)]
        same(f"{what}: users", got.users, np.reshape(wanted, (len(spans), len(tokens))))

    def _said(self, span: Span) -> dict[int, set[int]]:
        """The units that use each token in a span."""
        of: dict[int, set[int]] = defaultdict(set)
        since, until = span
        for row in self.rows:
            if row["text"] and row["at"] >= since and (not until or row["at"] < until):
                for band in range(BANDS):
                    of[row[f"f{band}"]].add(row["unit"])
        return of

    def _sample(self, source: Source, units: npt.NDArray[np.int64], most: int) -> None:
        names: tuple[str, ...] = ("endpoint", "model", "parameters", "software", "exact")
        names += (*(f"m{i}" for i in range(_CELLS)), *(f"f{i}" for i in range(BANDS)))
        names += ("chars", "tokens_out")

        def rest(row: Row) -> list[int]:
            return [row[name] for name in names]

        wanted: list[Row] = []
        for unit in units.tolist():
            mine = [row for row in self.rows if row["unit"] == unit and row["text"]]
            mine.sort(key=lambda r: (r["draw"], r["at"], rest(r)))
            wanted += sorted(mine[:most], key=lambda r: (r["at"], r["draw"], rest(r)))
        got = source.sample(units, most=most)
        what = f"sample({len(units)}, {most})"
        for name in ("unit", "at", "draw", *names[:5], "chars", "tokens_out"):
            same(f"{what}: {name}", getattr(got, name), [row[name] for row in wanted])
        for name, letter, width in (("meaning", "m", _CELLS), ("frames", "f", BANDS)):
            matrix = [[row[f"{letter}{i}"] for i in range(width)] for row in wanted]
            same(f"{what}: {name}", getattr(got, name), np.reshape(matrix, (-1, width)))


def same(what: str, got: npt.NDArray[Any], wanted: Any) -> None:
    """Equal in shape and every number; the message says where they first part."""
    expected = np.asarray(wanted, got.dtype if np.size(wanted) == 0 else None)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, not {expected.shape}"
    wrong = np.argwhere(got != expected)
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise AssertionError(f"{what}: {got[at]} at {at}, not {expected[at]}")
