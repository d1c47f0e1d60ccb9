"""Facts hold what the log said, for their owner alone, and are refused when they do not."""

import json
import os
import stat

import msgspec
import numpy as np
import pytest

from titer.core.errors import InputError
from titer.core.nouns import Exchange, Origin, Principal, RequestFacts, Sketch, Usage
from titer.hunt import MemorySource, TableBuilder, facts
from titer.hunt.embedded import EmbeddedSource
from titer.hunt.source import VALUES

HOUR = 3_600_000_000


def exchanges(count=300, seed=5):
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        who = int(rng.integers(0, 12))
        item = int(rng.integers(0, 30))
        text = rng.random() < 0.9
        made.append(
            Exchange(
                id=f"e{i}",
                at=1_770_000_000_000_000 + int(rng.integers(0, 400)) * HOUR // 7,
                principal=Principal(
                    f"p{who:02d}", org="o1" if who % 5 == 0 else "", tier="paid",
                    created=who * 86_400_000_000, grants=("distillation",) if who == 3 else (),
                ),
                endpoint=("/v1/chat/completions", "/v1/responses")[int(rng.integers(0, 2))],
                model=("", "m-1", "m-2")[int(rng.integers(0, 3))],
                origin=Origin(
                    ip=f"ip{int(rng.integers(0, 9))}", net=f"n{int(rng.integers(0, 4))}",
                    asn=int(rng.integers(0, 3)), agent=("", "sdk")[int(rng.integers(0, 2))],
                    payment=f"card{who}" if who % 2 else "",
                ),
                request=RequestFacts(params={"temperature": float(rng.integers(0, 3))}),
                sketch=Sketch(
                    frames=tuple(item * 100 + b + 1 for b in range(8)), cells=(item, 2, 3, 4),
                    exact=item + 1, chars=40,
                ) if text else Sketch(),
                usage=Usage(10, int(rng.integers(1, 500))),
                status=int(rng.choice([200, 200, 200, 429])),
            )
        )  # fmt: skip
    return made


@pytest.fixture
def folder(tmp_path):
    made = exchanges()
    names = {f"p{i:02d}": f"acct {i}" for i in range(12)}
    writer = facts.FactsWriter(tmp_path / "facts", rows=100)
    for start in range(0, len(made), 37):
        writer.add(made[start : start + 37], names)
    writer.close(names)
    facts.seal(tmp_path / "facts", read=len(made), key="k")
    return tmp_path / "facts"


def same(one, other):
    for name in one.__struct_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, np.ndarray):
            assert np.array_equal(a, b), name
        else:
            assert a == b, name


def test_facts_on_disk_answer_as_the_same_exchanges_in_memory(folder):
    builder = TableBuilder()
    builder.add(exchanges())
    memory = MemorySource(builder.build())
    with EmbeddedSource(folder) as disk:
        same(memory.callers(), disk.callers())
        same(memory.totals(), disk.totals())
        for name in VALUES:
            same(memory.values(name), disk.values(name))
        units = len(memory.callers().subjects)
        everybody = np.ones(units, np.bool_)
        nothing = np.empty(0, np.int64)
        asked = {"least": 2, "most": 6, "active": everybody, "without": nothing}
        same(memory.tokens(**asked), disk.tokens(**asked))
        assert np.array_equal(memory.clock(), disk.clock())
        every = np.arange(units, dtype=np.int64)
        same(memory.sample(every, most=9), disk.sample(every, most=9))


def test_what_a_folder_says_of_itself(folder):
    about = facts.about(folder)
    assert (about.rows, about.accounts, about.repeated, about.key) == (300, 12, 0, "k")
    assert about.begin == min(e.at for e in exchanges())
    assert len(facts.rows_files(folder)) > 1
    assert facts.read_names(folder)["p07"] == "acct 7"
    given = facts.read_exposure(folder)
    hashes, accounts = facts.read_accounts(folder)
    wanted = {
        p.id: sum(
            e.usage.tokens_out for e in exchanges() if e.principal.id == p.id and e.status < 400
        )
        for p in accounts
    }
    got = {p.id: given[int(h)] for h, p in zip(hashes, accounts, strict=True)}
    assert got == wanted


def test_only_the_owner_may_read(folder):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    assert not list(folder.glob("*.tmp"))


def test_an_account_is_as_its_first_description_says(tmp_path):
    first, second = exchanges(2)
    again = msgspec.structs.replace(first.principal, org="later", tier="free")
    for stretch, principal in ((1, again), (0, first.principal)):  # written in any order
        writer = facts.FactsWriter(tmp_path, stretch=stretch)
        writer.add([msgspec.structs.replace(second, principal=principal)])
        writer.close()
    facts.seal(tmp_path)
    assert facts.read_accounts(tmp_path)[1] == [first.principal]


def test_hostile_text_and_numbers_are_written(tmp_path):
    one = exchanges(1)[0]
    bad = msgspec.structs.replace(
        one, model="\x00\U0010ffff", endpoint="/\x00" * 500,
        principal=Principal("p\x00", org="o\x1b", grants=("a", "b\x00")),
        usage=Usage(1 << 60, 1 << 60),
        sketch=Sketch(frames=(1, 2), cells=(), exact=-(1 << 63), chars=1 << 40),
    )  # fmt: skip
    writer = facts.FactsWriter(tmp_path)
    writer.add([bad], {"p\x00": "name \ud801"})
    writer.close({"p\x00": "name \ud801"})
    facts.seal(tmp_path)
    assert facts.read_names(tmp_path) == {"p\x00": "name ?"}
    with EmbeddedSource(tmp_path) as source:
        rows = source.sample(np.array([0]), most=3)
        assert source.callers().accounts == [bad.principal]
    assert rows.frames.tolist() == [[0] * 8]
    assert rows.chars.tolist() == [(1 << 31) - 1]
    assert rows.exact.tolist() == [-(1 << 63)]


def test_unfinished_facts_are_refused(folder):
    (folder / "about.json").unlink()
    with pytest.raises(InputError, match="unfinished"):
        EmbeddedSource(folder)


@pytest.mark.parametrize("change", [{"format": 99}, {"rows": 299}, {"rows": "many"}])
def test_facts_that_say_something_wrong_are_refused(folder, change):
    held = json.loads((folder / "about.json").read_bytes())
    (folder / "about.json").write_text(json.dumps(held | change))
    with pytest.raises(InputError, match="again"):
        EmbeddedSource(folder)


def test_a_file_that_is_no_parquet_is_refused(folder):
    (folder / "rows-000009-0000.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match="rows-000009"):
        EmbeddedSource(folder)


def test_rows_of_unknown_accounts_are_refused(folder):
    for path in folder.glob("accounts-*"):
        os.unlink(path)
    with pytest.raises(InputError, match="unknown accounts"), EmbeddedSource(folder) as source:
        source.totals()
