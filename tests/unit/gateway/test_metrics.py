from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from titer.console.standings import rung_lines
from titer.core.nouns import Decision, Dose
from titer.gateway.metrics import BUCKETS, Metrics, exposition, total
from titer.respond.shadow import ShadowCounts


def filled():
    metrics = Metrics(lambda: {"in_flight": 2})
    metrics.request("openai.chat")
    metrics.request("openai.chat")
    metrics.refuse("upstream")
    metrics.replies[2] += 1
    metrics.duration.add(0.0015)
    metrics.duration.add(10_000)
    return metrics


def test_snapshots_add_up():
    both = total([filled().snapshot(), filled().snapshot(), {"own": 1}])
    assert both["requests|dialect=openai.chat"] == 4
    assert both["in_flight"] == 4
    assert both["own"] == 1
    assert both["duration_seconds_sum"] == 2 * 10_000.0015


def test_the_exposition_is_sound():
    page = exposition({**filled().snapshot(), "records_dropped": 3}).decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    samples = {(s.name, *s.labels.values()): s.value for f in families.values() for s in f.samples}
    assert samples["titer_requests_total", "openai.chat"] == 2
    assert samples["titer_refused_total", "upstream"] == 1
    assert samples["titer_in_flight",] == 2
    assert samples["titer_records_dropped_total",] == 3
    assert samples["titer_duration_seconds_bucket", "+Inf"] == 2
    assert samples["titer_duration_seconds_bucket", str(BUCKETS[1])] == 1
    assert samples["titer_duration_seconds_bucket", str(BUCKETS[0])] == 0
    assert samples["titer_duration_seconds_count",] == 2


def test_counts_by_several_labels_add_up_and_are_sound():
    """Names of rungs are the operator's: any character may stand in them."""
    counts = ShadowCounts()
    decision = Decision("d", 0, "s", 'a "b", c|d=e', (Dose("throttle", 0.5),), "why")
    counts.count(decision)
    counts.note(decision.rung, "throttle", "delayed", 1.5)
    page = exposition(total([counts.flat("shadow"), counts.flat("shadow")])).decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    (outcome,) = families["titer_shadow_outcomes"].samples
    assert outcome.labels == {
        "rung": decision.rung, "mitigation": "throttle", "outcome": "delayed",
    }  # fmt: skip
    assert outcome.value == 2
    assert families["titer_shadow_delay_seconds"].samples[0].value == 3.0
    (line,) = rung_lines(total([counts.flat("shadow"), {"shadow_requests|odd": 1.0}]))
    assert (line.rung, line.shadow, line.requests) == (decision.rung, True, 1)
    assert (line.outcomes, line.delay_s) == ({"throttle delayed": 1}, 1.5)
