"""The verbs, end to end: a campaign out of the lab, proved, rendered, and its names read."""

from __future__ import annotations

import json
import shutil
import subprocess

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.cli import main
from titer.core.ids import Pseudonyms
from titer.core.indicators import Indicator
from titer.evidence.share.stix import pattern


@pytest.fixture(scope="module")
def proved(tmp_path_factory, settled):
    """A small world of the lab that was fed and hunted, and the dossier on what was found."""
    folder = tmp_path_factory.mktemp("prove")
    assert main(["lab", "write", "hydra", "--out", str(folder / "w"), "--seed", "5",
                 "--accounts", "200", "--days", "3", "--no-replies"]) == 0  # fmt: skip
    data = folder / "data"
    settled(data)
    fed = main(["feed", str(folder / "w" / "log.jsonl"), "--data", str(data), "--hunt"])
    assert fed == 1
    return folder, data


def labels_of(folder):
    text = (folder / "w" / "labels.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def campaign_of(data):
    from titer.console.attribution import campaigns_in
    from titer.console.explain import open_view

    (only,) = campaigns_in(open_view(data)).values()
    return only


@pytest.fixture(scope="module")
def counsel(proved):
    """A key that openssl made."""
    folder, _ = proved
    key = folder / "counsel.key"
    for command in (
        ["openssl", "genpkey", "-algorithm", "X25519", "-out", str(key)],
        ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(folder / "counsel.pub")],
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs openssl 3")
    return key


def test_a_campaign_is_proved_rendered_and_unsealed(proved, counsel, capsys):
    folder, data = proved
    found = campaign_of(data)
    labels = labels_of(folder)
    names = folder / "names"
    names.write_text("".join(f"{x['principal']}\norg-{x['principal']}\n" for x in labels))
    out = folder / "c.dossier"
    assert main(["prove", found.id, "--data", str(data), "-o", str(out), "--json",
                 "--html", str(folder / "c.html"), "--pdf", str(folder / "c.pdf"),
                 "--seal-to", f"{counsel.with_suffix('.pub')}",
                 "--names", str(names)]) == 0  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["callers"]) == ("campaign", len(found.members))
    assert said["sealed"] == len(found.members)
    key = (data / "log" / "log.pub").read_text().strip()
    assert main(["verify", str(out), "--key", key, "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)["dossier"]
    assert verified["exposure"]["tokens_out"] == found.tokens_out
    told = {a["reason"].split(" (")[0]: a for a in verified["contents"]["alternatives"]}
    assert told["chance"]["result"] == "ruled out"
    assert told["chance"]["value"] >= told["chance"]["limit"]
    assert told["a class, a course or a public benchmark"]["result"] == "ruled out"
    assert told["a team that never declared itself"]["result"] == "not ruled out"  # thirty
    assert told["tests of the operator's own staff"]["result"] == "not tested"
    infrastructure = verified["contents"]["infrastructure"]
    assert {t["aspect"] for t in infrastructure["ties"]} >= {"provider", "payment", "signup"}
    assert any("residential" in u["aspect"] for u in infrastructure["unknown"])
    assert main(["unseal", str(out), "--private", str(counsel), "--key", key, "--json"]) == 0
    opened = json.loads(capsys.readouterr().out)
    assert opened["pinned"] is True
    hired = {x["principal"] for x in labels if x["campaign"]}
    assert {n.removeprefix("org-") for n in opened["names"].values()} <= hired
    assert len(opened["names"]) == len(found.members)
    assert (folder / "c.pdf").read_bytes().startswith(b"%PDF-1.7")


def test_a_hunt_on_the_files_names_what_the_log_holds(proved, capsys):
    folder, data = proved
    capsys.readouterr()
    assert main(["hunt", str(folder / "w" / "log.jsonl"), "--data", str(data), "--seed", "1",
                 "--json"]) == 1  # fmt: skip
    found = json.loads(capsys.readouterr().out)
    assert any("titer feed FILES --hunt" in note for note in found["notes"])
    pseudonyms, held = Pseudonyms(load_or_create(data)), campaign_of(data)
    (told,) = found["campaigns"]
    members = sorted(pseudonyms.of("org", f"org-{name}") for name in told["members"])
    assert (told["id"] == held.id) is (members == sorted(held.members))
    assert len({*members} & {*held.members}) > 0.8 * len(held.members)


def test_those_who_came_back_between_hunts_are_proved_under_their_name(proved, tmp_path, capsys):
    from titer.gateway.assembly import feed_sink
    from titer.respond.ladder import default_ladder

    data = tmp_path / "data"
    shutil.copytree(proved[1], data)
    found = campaign_of(data)
    name = f"{found.id}.2+1"
    told = msgspec.structs.replace(found, id=name, members=found.members[:3], review=False)
    with feed_sink(data, default_ladder()) as sink:
        sink.join([told])
    assert main(["replay", "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["replayed"]["campaigns"] == 2
    assert main(["explain", name, "--data", str(data)]) == 1
    assert f"{name}: 3 callers act as one" in capsys.readouterr().out
    out = tmp_path / "c.dossier"
    assert main(["prove", name, "--data", str(data), "-o", str(out)]) == 0
    assert main(["verify", str(out)]) == 0
    text = capsys.readouterr().out
    assert f"verified campaign {name}: " in text
    assert "claims   first_at: 2026-05-01 " in text
    assert main(["share", "stix", name, "--data", str(data), "--for", "lab-b"]) == 0
    assert main(["case", "open", "--title", "They came back", "--data", str(data), "--json"]) == 0
    case = json.loads(capsys.readouterr().out.splitlines()[-1])["case"]
    assert main(["case", "add", case, "--campaign", name, "--data", str(data)]) == 0
    pack = tmp_path / "pack"
    assert main(["case", "refer", case, "--to", "counsel", "--out", str(pack),
                 "--data", str(data)]) == 0  # fmt: skip
    assert (pack / f"{name.replace('+', '_')}.dossier").exists()
    assert main(["prove", found.id + ".9", "--data", str(data), "-o", str(out)]) == 2
    assert "`titer feed FILES --hunt`" in capsys.readouterr().err


@pytest.fixture(scope="module")
def board(counsel):
    """Three keys that openssl made."""
    folder = counsel.parent
    for name in "abc":
        key = folder / f"{name}.key"
        subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", key], check=True,
                       capture_output=True)  # fmt: skip
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", folder / f"{name}.pub"],
                       check=True, capture_output=True)  # fmt: skip
    return [folder / f"{name}.key" for name in "abc"]


def test_two_of_three_people_unmask_a_campaign_and_the_log_says_who(
    proved, board, counsel, capsys
):
    pytest.importorskip("Cryptodome")
    folder, data = proved
    found = campaign_of(data)
    names = folder / "all-names"
    names.write_text("".join(f"org-{x['principal']}\n" for x in labels_of(folder)))
    out, page = folder / "q.dossier", folder / "q.html"
    holders = [word for key in board for word in ("--unmask-to", str(key.with_suffix(".pub")))]
    assert main(["prove", found.id, "--data", str(data), "-o", str(out), "--names", str(names),
                 "--html", str(page), *holders, "--threshold", "2"]) == 0  # fmt: skip
    assert "any 2 of 3 people together" in page.read_text()
    key = (data / "log" / "log.pub").read_text().strip()
    capsys.readouterr()
    assert main(["verify", str(out), "--key", key]) == 0
    assert "names for any 2 of the holders" in capsys.readouterr().out

    def unseal(*words):
        return main(["unseal", str(out), "--key", key, *map(str, words)])

    assert unseal("--private", board[0]) == 2
    assert "one share of 2 that it takes" in capsys.readouterr().err
    share = folder / "a.share"
    assert unseal("--private", board[0], "--share", share, "--data", data, "--by", "ann") == 0
    assert share.stat().st_mode & 0o777 == 0o600
    assert unseal("--private", board[0], "--share", share) == 2
    assert "is there already" in capsys.readouterr().err
    assert unseal("--with", share) == 2
    assert "1 of 2 shares that are needed" in capsys.readouterr().err
    assert unseal("--with", share, "--private", board[2], "--data", data) == 2
    assert "say with --by who does it" in capsys.readouterr().err
    assert unseal("--with", share, "--private", board[2], "--data", data, "--by", "cy",
                  "--json") == 0  # fmt: skip
    opened = json.loads(capsys.readouterr().out)
    assert len(opened["names"]) == len(found.members)
    assert len(opened["holders"]) == 2
    sealed = folder / "b.share"
    assert (
        unseal("--private", board[1], "--share", sealed, "--to", counsel.with_suffix(".pub")) == 0
    )
    capsys.readouterr()
    assert unseal("--with", share, "--with", sealed) == 2
    assert "is sealed to key" in capsys.readouterr().err
    assert unseal("--with", share, "--with", sealed, "--private", counsel, "--json") == 0
    assert json.loads(capsys.readouterr().out)["names"] == opened["names"]
    forged = json.loads(share.read_text())
    forged["share"] = "00" * 16
    (folder / "forged.share").write_text(json.dumps(forged))
    assert unseal("--with", folder / "forged.share", "--private", board[2]) == 2
    assert "share 1 is forged" in capsys.readouterr().err

    from titer.console.explain import open_view

    logged = [json.loads(e.body) for e in open_view(data).scan() if e.kind == "unmasking"]
    assert [(e["step"], e["by"], len(e["holders"])) for e in logged] == [
        ("share", "ann", 1), ("names", "cy", 2),
    ]  # fmt: skip
    assert logged[1]["about"] == found.id
    assert not set(opened["names"]) & set(json.dumps(logged).split('"'))


def test_nothing_that_names_an_honest_caller_is_in_any_output(proved, counsel, capsys):
    """Names, addresses, cards and pseudonyms of honest callers, and of the sealed members."""
    folder, data = proved
    found = campaign_of(data)
    campaign = {one["principal"]: one["campaign"] for one in labels_of(folder)}
    planted = set()
    with (folder / "w" / "log.jsonl").open() as lines:
        for line in lines:
            one = json.loads(line)
            planted |= {one["principal"], one["org"], one["origin"]["ip"]}
            if campaign[one["principal"]] is None:
                planted.add(one["origin"].get("payment", one["org"]))
    out = folder / "grep.dossier"
    page, pdf = folder / "grep.html", folder / "grep.pdf"
    assert main(["prove", found.id, "--data", str(data), "-o", str(out), "--html", str(page),
                 "--pdf", str(pdf)]) == 0  # fmt: skip
    capsys.readouterr()
    assert main(["verify", str(out)]) == 0
    shown = capsys.readouterr().out
    import base64
    import zlib

    from titer.console.explain import open_view

    payload = base64.b64decode(json.loads(out.read_bytes())["payload"]).decode()
    words = b"".join(
        zlib.decompress(part.split(b"endstream")[0].strip())
        for part in pdf.read_bytes().split(b"stream\n")
        if part[:1] == b"x"
    ).decode("cp1252")
    others = set()
    for stored in open_view(data).scan():
        if stored.kind == "exchange":
            subject = json.loads(stored.body)["principal"]
            others |= {subject["id"], subject.get("org", subject["id"])}
    inside = set(found.members)
    ids = set()
    for item in json.loads(payload)["predicate"]["entries"]:
        if item["kind"] == "exchange":
            principal = json.loads(item["body"])["principal"]
            assert principal.get("org", principal["id"]) in inside
            ids.add(principal["id"])
    assert len(others - inside - ids) >= 200
    for text in (payload, page.read_text(), words, shown):
        hits = [name for name in (planted | (others - inside - ids)) if f"{name}" in text
                and len(name) > 6]  # fmt: skip
        assert not hits, hits[:5]


def test_verbs_refuse_in_words(proved, counsel, tmp_path, capsys):
    folder, data = proved
    found = campaign_of(data)
    out = str(tmp_path / "x")
    for words, why in (
        (["prove", "c-none", "--data", str(data), "-o", out], "no entry about"),
        (["prove", found.id, "--data", str(data), "-o", out, "--disclose"], "--seal-to"),
        (["prove", found.id, "--data", str(data), "-o", out, "--seal-to",
          str(folder / "counsel.pub")], "--names"),
        (["render", str(folder / "w" / "labels.jsonl")], "--html"),
        (["render", str(folder / "w" / "labels.jsonl"), "--html", out], "REFUSED"),
    ):  # fmt: skip
        assert main(words) == 2, words
        assert why in capsys.readouterr().err, words
    assert main(["prove", found.id, "--data", str(data), "-o", out]) == 0
    assert main(["unseal", out, "--private", str(counsel)]) == 2
    assert "seals nothing" in capsys.readouterr().err
    pub = counsel.with_suffix(".pub")
    assert main(["unseal", out, "--private", str(pub)]) == 2
    assert f"{pub}: the key is no unencrypted PEM private key" in capsys.readouterr().err
    spaced = str(tmp_path / "a b")
    assert main(["prove", found.id, "--data", str(data), "-o", spaced]) == 0
    assert f"titer verify '{spaced}'" in capsys.readouterr().out


def bundle(path, ja4, tlp):
    """A STIX bundle with one indicator on a TLS fingerprint."""
    moment = "2026-05-01T00:00:00.000Z"
    marking = {
        "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
        "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    }[tlp]
    one = {
        "type": "indicator", "spec_version": "2.1", "created": moment, "modified": moment,
        "id": "indicator--00000000-0000-4000-8000-000000000002", "pattern_type": "stix",
        "pattern": pattern(Indicator("ja4", ja4)), "valid_from": moment,
        "object_marking_refs": [marking],
    }  # fmt: skip
    name = "bundle--00000000-0000-4000-8000-000000000001"
    path.write_text(json.dumps({"type": "bundle", "id": name, "objects": [one]}))
    return str(path)


def test_a_partners_indicator_becomes_a_link_only_beyond_the_base_rate(proved, tmp_path, capsys):
    folder, data = proved
    found = campaign_of(data)
    out = tmp_path / "x"
    labels = {one["principal"]: one["campaign"] for one in labels_of(folder)}
    prints = {True: set(), False: set()}
    with (folder / "w" / "log.jsonl").open() as log:
        for line in log:
            one = json.loads(line)
            prints[labels[one["principal"]] is not None].add(one["origin"]["ja4"])
    theirs, common = min(prints[True]), min(prints[False] - prints[True])
    for partner, ja4, tlp in (
        ("lab-2", theirs, "clear"), ("lab-3", common, "clear"), ("lab-4", theirs, "amber"),
    ):  # fmt: skip
        path = bundle(tmp_path / partner, ja4, tlp)
        assert main(["share", "import", path, "--from", partner, "--data", str(data)]) == 0
    words = ["prove", found.id, "--data", str(data), "-o", str(out)]
    assert main([*words, "--partner", "lab-2", "--partner", "lab-3"]) == 0
    capsys.readouterr()
    assert main(["verify", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["dossier"]
    links = told["contents"]["infrastructure"]["links"]
    assert {(one["name"], one["aspect"]) for one in links} == {("lab-2", "ja4")}
    assert links[0]["source"] == "a partner (weight 0.25 of 1)"
    compared = links[0]["compared"]
    assert main([*words, "--indicators", "--json"]) == 0  # lab-4's may not be told
    capsys.readouterr()
    assert main(["verify", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["dossier"]
    links = told["contents"]["infrastructure"]["links"]
    assert [(one["name"], one["compared"]) for one in links] == [("lab-2", compared)]
    for options, said in (
        (["--indicators", "--least-weight", "0.9"], "weight 0.9 or more"),
        (["--indicators", "--partner", "lab-2"], "leave --partner out"),
        (["--indicators", "--least-weight", "2"], "between 0 and 1"),
    ):
        assert main([*words, *options]) == 2
        assert said in capsys.readouterr().err
    assert main(words) == 0
    capsys.readouterr()
    assert main(["verify", str(out), "--json"]) == 0
    assert "lab-2" not in capsys.readouterr().out
    for partner in ("lab-4", "lab-9"):
        assert main([*words, "--partner", partner]) == 2
        assert "may be told" in capsys.readouterr().err
