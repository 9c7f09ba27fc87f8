"""What one worker answers for all: one page of metrics that Prometheus's own parser reads, whatever workers say."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bargein.server.metrics import Metrics
from bargein.server.workers_view import merged


def page(calls: int, cause: str = "speech") -> str:
    metrics = Metrics()
    metrics.gauge("calls_live", "calls that run now", lambda: float(calls))
    for _ in range(calls):
        metrics.call_began()
        metrics.observe("onset_to_hold", 12.5, cause)
        metrics.count("holds", cause=cause)
    return metrics.page().decode()


def test_every_sample_of_every_worker_is_there_once_under_its_own_label() -> None:
    pages = {"a-0": page(2), "a-1": page(3)}
    families = {family.name: family for family in text_string_to_metric_families(merged(pages))}
    alone = {family.name: family for family in text_string_to_metric_families(pages["a-0"])}
    assert families.keys() == alone.keys()
    for name, family in families.items():
        for worker, own in pages.items():
            mine = {f.name: f for f in text_string_to_metric_families(own)}[name]
            told = [
                (s.name, {k: v for k, v in s.labels.items() if k != "worker"}, s.value)
                for s in family.samples
                if s.labels["worker"] == worker
            ]
            assert told == [(s.name, s.labels, s.value) for s in mine.samples]
        assert (family.type, family.documentation) == (alone[name].type, alone[name].documentation)
    assert sum(s.value for s in families["bargein_calls"].samples if s.name == "bargein_calls_total") == 5


@pytest.mark.parametrize("cause", ['a"b', "a}b", "a\\b", "a b", "worker"])
def test_a_cause_of_any_characters_keeps_its_label(cause: str) -> None:
    families = {f.name: f for f in text_string_to_metric_families(merged({"a-0": page(1, cause), "a-1": page(1)}))}
    counted = [s for s in families["bargein_holds"].samples if s.name == "bargein_holds_total"]
    assert [s.labels for s in counted] == [{"worker": "a-0", "cause": cause}, {"worker": "a-1", "cause": "speech"}]


def test_a_metric_that_one_worker_alone_has_is_there_too() -> None:
    text = merged({"a-0": "# HELP x a\n# TYPE x gauge\nx NaN\n", "a-1": "# HELP y b\n# TYPE y gauge\ny{} 2.0\n"})
    x, y = text_string_to_metric_families(text)
    assert math.isnan(x.samples[0].value)
    assert (y.samples[0].labels, y.samples[0].value) == ({"worker": "a-1"}, 2.0)
