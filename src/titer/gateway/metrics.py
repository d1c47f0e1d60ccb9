"""Counters of one worker: plain integers on the hot path, Prometheus only when asked.

`snapshot` is a flat dict of numbers, so that several workers' snapshots add up (`total`).
A label is written into the name: `refused|kind=upstream`; several, or one whose value somebody
else chose, as JSON: `dosed_requests|{"rung": "slow"}`.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

#: Upper bounds in seconds, from a cache hit to a long reasoning answer.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
           60.0, 120.0, 300.0, 600.0)  # fmt: skip

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_HELP = {
    "requests": "Requests that were read, by dialect.",
    "replies": "Replies sent, by class of status.",
    "refused": "Requests refused, by kind of problem.",
    "connections": "Client connections open.",
    "connections_cap": "Client connections that may be open at once.",
    "connections_opened": "Client connections accepted.",
    "connections_refused": "Client connections refused because there were too many.",
    "in_flight": "Requests at the upstream.",
    "waiting": "Requests waiting for a slot.",
    "upstream_idle": "Idle upstream connections.",
    "upstream_dialled": "Upstream connections opened.",
    "upstream_retries": "Requests sent again because an idle connection had just closed.",
    "upstream_failures": "Replies that failed or broke off.",
    "clients_gone": "Requests whose caller left before the end.",
    "clients_slow": "Client connections cut because they were too slow.",
    "alert_level": "The alert level: 0 green, 1 amber, 2 red.",
    "faults": "Errors inside the gateway: each is a bug worth a report.",
    "untapped": "Replies too large or too odd to be read in passing.",
    "dosed_requests": "Requests that met a decision in force, by rung.",
    "dosed_outcomes": "What doses did to them, by rung, mitigation and outcome.",
    "dosed_delay_seconds": "Seconds that doses made them wait, by rung.",
    "shadow_requests": "Requests that met a decision in shadow, by rung.",
    "shadow_outcomes": "What doses would have done to them.",
    "shadow_delay_seconds": "Seconds that doses would have made them wait, by rung.",
    "first_byte_seconds": "From a request's head to its reply's head.",
    "duration_seconds": "From a request's head to its reply's end.",
}
_GAUGES = frozenset(
    {"alert_level", "connections", "connections_cap", "in_flight", "waiting", "upstream_idle"}
)


class Histogram:
    """Counts by bucket in a plain list."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class Metrics:
    """The counters of one worker. `gauges` gives the levels at the time of asking."""

    def __init__(self, gauges: Callable[[], Mapping[str, int]] = dict) -> None:
        self._gauges = gauges
        self.requests: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.replies = [0] * 6
        self.connections_opened = 0
        self.connections_refused = 0
        self.upstream_retries = 0
        self.upstream_failures = 0
        self.clients_gone = 0
        self.clients_slow = 0
        self.faults = 0
        self.untapped = 0
        self.first_byte = Histogram()
        self.duration = Histogram()

    def request(self, dialect: str) -> None:
        """Count a request that was read."""
        self.requests[dialect] = self.requests.get(dialect, 0) + 1

    def refuse(self, kind: str) -> None:
        """Count a refusal."""
        self.refused[kind] = self.refused.get(kind, 0) + 1

    def snapshot(self) -> dict[str, float]:
        """All numbers, flat, ready to be added to another worker's."""
        flat: dict[str, float] = {
            name: getattr(self, name)
            for name in (
                "connections_opened", "connections_refused", "upstream_retries",
                "upstream_failures", "clients_gone", "clients_slow", "faults", "untapped",
            )
        }  # fmt: skip
        flat.update(self._gauges())
        flat.update({f"requests|dialect={name}": n for name, n in self.requests.items()})
        flat.update({f"refused|kind={kind}": n for kind, n in self.refused.items()})
        flat.update({f"replies|class={i}xx": n for i, n in enumerate(self.replies) if i})
        for name, histogram in (
            ("first_byte_seconds", self.first_byte),
            ("duration_seconds", self.duration),
        ):
            flat[f"{name}_sum"] = histogram.sum
            flat.update({f"{name}|le={i}": n for i, n in enumerate(histogram.counts)})
        return flat


def total(snapshots: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sum of several workers' snapshots."""
    result: dict[str, float] = {}
    for snapshot in snapshots:
        for name, value in snapshot.items():
            result[name] = result.get(name, 0) + value
    return result


def exposition(snapshot: Mapping[str, float]) -> bytes:
    """A snapshot in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(snapshot))
    return generate_latest(registry)


def _labels(text: str) -> dict[str, str]:
    if text.startswith("{"):
        found: dict[str, str] = json.loads(text)
        return found
    name, _, value = text.partition("=")
    return {name: value}


class _Snapshot(Collector):
    def __init__(self, snapshot: Mapping[str, float]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        labelled: dict[str, list[tuple[dict[str, str], float]]] = {}
        for key, value in self._snapshot.items():
            name, _, label = key.partition("|")
            if label:
                labelled.setdefault(name, []).append((_labels(label), value))
        for name, text in _HELP.items():
            if name.endswith("_seconds") and not name.endswith("_delay_seconds"):
                yield self._histogram(name, text)
            elif name in _GAUGES:
                yield GaugeMetricFamily(f"titer_{name}", text, self._snapshot.get(name, 0))
            elif name in labelled:
                rows = labelled[name]
                family = CounterMetricFamily(f"titer_{name}", text, labels=list(rows[0][0]))
                for labels, value in rows:
                    family.add_metric(list(labels.values()), value)
                yield family
            elif name in self._snapshot:
                yield CounterMetricFamily(f"titer_{name}", text, self._snapshot[name])
        for name, value in self._snapshot.items():  # what the worker adds of its own
            if "|" not in name and not name.endswith("_sum") and name not in _HELP:
                text = f"Counted by the worker: {name.replace('_', ' ')}."
                yield CounterMetricFamily(f"titer_{name}", text, value)

    def _histogram(self, name: str, text: str) -> Metric:
        running, buckets = 0.0, []
        for i in range(len(BUCKETS) + 1):
            running += self._snapshot.get(f"{name}|le={i}", 0)
            bound = str(BUCKETS[i]) if i < len(BUCKETS) else "+Inf"
            buckets.append((bound, running))
        total_seconds = self._snapshot.get(f"{name}_sum", 0.0)
        return HistogramMetricFamily(f"titer_{name}", text, buckets, total_seconds)
