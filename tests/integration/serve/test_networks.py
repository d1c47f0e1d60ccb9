"""Network data in the real processes: loaded at the start, taken up when they change."""

from __future__ import annotations

import json
import time

from titer.evidence.log import View

#: Answers in a row that one of two workers gives once in half a million times.
ROW = 20


def take(service, tmp_path, kind, text):
    path = tmp_path / f"{kind}.txt"
    path.write_text(text)
    return service.json(
        "data", "import", str(path), "--kind", kind, "--source", "made up", "--licence", "CC0-1.0",
        "--dated", time.strftime("%Y-%m-%d", time.gmtime()), "--data", str(service.data),
    )  # fmt: skip


def entries(service, kind):
    view = View.open(service.data / "log")
    return [json.loads(s.body) for s in view.scan() if s.kind == kind]


def test_callers_networks_are_named_and_new_data_are_taken_up(service, tmp_path, wait):
    key = service.key("acme")
    take(service, tmp_path, "asn", "127.0.0.0/8,64500,Loop\n")
    take(service, tmp_path, "hosting", "127.0.0.0/8,Loop\n")
    service.start("--workers", "2")
    service.began()
    assert service.ask(key)[0] == 200
    take(service, tmp_path, "vpn", "127.0.0.1,Loop\n")

    def kinds():
        assert service.ask(key)[0] == 200
        return {e["origin"].get("kind") for e in entries(service, "exchange")}

    wait(lambda: kinds() == {"hosting", "vpn"}, what="the new list in use")

    def both():
        """Whether both workers name it: so many in a row are not all one's."""
        assert service.ask(key)[0] == 200
        last = [e["origin"].get("kind") for e in entries(service, "exchange")[-ROW:]]
        return last == ["vpn"] * ROW

    wait(both, what="the new list in use by both workers")
    wait(lambda: len(entries(service, "networks")[-1]) == 3, what="the new list in the log")
    path = service.data / "networks" / "vpn.networks"
    path.write_bytes(path.read_bytes()[:-1])
    wait(lambda: service.says("the network data in use stay"), what="a word about the broken list")
    assert service.ask(key)[0] == 200
    assert service.stop() == 0
    assert entries(service, "exchange")[-1]["origin"]["kind"] == "vpn"
    assert {e["origin"]["asn"] for e in entries(service, "exchange")} == {64500}
    lists = entries(service, "networks")
    assert [{u["name"] for u in used} for used in (lists[0], lists[-1])] == [
        {"asn", "hosting"}, {"asn", "hosting", "vpn"},
    ]  # fmt: skip
    assert "127.0.0.1" not in json.dumps(entries(service, "exchange"))
    replayed = service.json("replay", "--data", str(service.data))
    assert replayed["replayed"]["exchanges"] == len(entries(service, "exchange"))


def test_a_changed_snapshot_stops_the_start(service, tmp_path):
    service.key("acme")
    take(service, tmp_path, "vpn", "127.0.0.1\n")
    path = service.data / "networks" / "vpn.networks"
    broken = bytearray(path.read_bytes())
    broken[-20] ^= 1
    path.write_bytes(bytes(broken))
    done = service.verb(
        "serve", "--data", str(service.data), "--upstream", "http://127.0.0.1:9", "--port", "0"
    )
    assert done.returncode == 2
    assert "vpn.networks: the data are not those that were signed" in done.stderr
