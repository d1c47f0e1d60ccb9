"""A partner's indicator and the alert level, while `titer serve` runs."""

from __future__ import annotations

import json
import urllib.request

from titer.evidence.log import View
from titer.evidence.share.stix import EXTENSION


def entries(service, kind):
    view = View.open(service.data / "log")
    return [json.loads(s.body) for s in view.scan() if s.kind == kind and s.body is not None]


def test_a_running_service_takes_a_partners_word_as_attention_only(service, tmp_path, wait):
    key = service.key("acme")
    service.start()
    service.began()
    assert service.ask(key)[0] == 200
    (first, *_) = wait(lambda: entries(service, "exchange"))
    bundle = tmp_path / "bundle.json"
    pattern = f"[network-traffic:extensions.'{EXTENSION}'.header_order_sha256_16 = "
    bundle.write_text(json.dumps({"type": "bundle", "objects": [{
        "type": "indicator", "pattern_type": "stix", "confidence": 100,
        "pattern": f"{pattern}'{first['origin']['headers']}']",
    }]}))  # fmt: skip
    said = service.json("share", "import", str(bundle), "--from", "lab-b", "--weight", "1",
                        "--data", str(service.data))  # fmt: skip
    assert said["held"] == 1

    def told():
        assert service.ask(key)[0] == 200
        return entries(service, "attention")

    (attention,) = wait(told)
    assert (attention["source"], attention["weight"]) == ("lab-b", 1.0)
    assert attention["subject"] == first["principal"]["org"]
    explained = service.json("explain", "acme", "--data", str(service.data))
    assert [a["source"] for a in explained["attention"]] == ["lab-b"]
    assert (explained["bits"], explained["decisions"]) == (0, [])
    level = wait(lambda: (v := service.json("level", "--data", str(service.data)))["kept"] and v)
    assert level["level"] == "green"
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=60) as reply:
        assert b"titer_alert_level 0.0" in reply.read()
    assert service.stop() == 0
    assert len(entries(service, "attention")) == 1
    service.json("replay", "--data", str(service.data))
