"""Makes deploy/grafana/bargein.json: Grafana's dashboard of a fleet, with a panel for each of our metrics.

python tools/dashboard.py
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

TARGET = Path(__file__).parents[1] / "deploy" / "grafana" / "bargein.json"
WIDE, HIGH = 24, 8  # of the dashboard's grid; a panel is a third of a row
ONE = '{job="bargein",node=~"$node"}'
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """queries: PromQL, with the legend of each."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    about: str = ""


def gauge(title: str, name: str, unit: str = "short", about: str = "") -> Panel:
    return Panel(title, unit, ((f"bargein_{name}{ONE}", "{{node}} {{worker}}"),), about)


def rate(title: str, name: str, unit: str = "short", about: str = "") -> Panel:
    """How many in a minute, by cause."""
    query = f"60 * sum by (cause) (rate(bargein_{name}_total{ONE}[$__rate_interval]))"
    return Panel(title, unit, ((query, "{{cause}}"),), about)


def total(title: str, name: str, unit: str = "short", about: str = "") -> Panel:
    """How many in a minute, of a metric without causes."""
    return Panel(title, unit, ((f"60 * sum(rate(bargein_{name}_total{ONE}[$__rate_interval]))", "a minute"),), about)


def spread(title: str, name: str, about: str = "") -> Panel:
    """Median and tail of a latency."""
    buckets = f"sum by (le) (rate(bargein_{name}_ms_bucket{ONE}[$__rate_interval]))"
    queries = tuple((f"histogram_quantile({q}, {buckets})", f"p{int(q * 100)}") for q in (0.5, 0.95, 0.99))
    return Panel(title, "ms", queries, about)


def since_start(title: str, name: str, unit: str = "short", about: str = "") -> Panel:
    """A gauge that only rises."""
    return Panel(title, unit, ((f"rate(bargein_{name}{ONE}[$__rate_interval])", "{{node}} {{worker}}"),), about)


ROWS: dict[str, tuple[Panel, ...]] = {
    "Calls": (
        gauge("Calls now", "calls_live"),
        gauge("Capacity used", "capacity_used", "percentunit", "1: calls would begin to feel it"),
        gauge("Agents that speak", "agents_speaking"),
        total("Calls that begin, a minute", "calls"),
        rate("Calls refused, a minute", "calls_refused", about="busy: the fleet is full"),
        rate("Calls taken over from other nodes, a minute", "calls_restored"),
        gauge("Calls whose client is away", "calls_away"),
        rate("What picked up our own calls, a minute", "machines"),
        rate("Connections lost, and back, a minute", "connections"),
        rate("Replies heard to their end, a minute", "replies"),
    ),
    "Interruption": (
        spread("Onset to hold", "onset_to_hold", "From the first sample of the user's speech to the hold"),
        spread("Onset to cut", "onset_to_cut"),
        spread("Decision to silence at the client", "stop"),
        spread("Hold to resume", "hold_to_resume", "How long a hold lasted that was no interruption"),
        rate("Holds, a minute, by evidence", "holds"),
        rate("Cuts, a minute, by evidence", "cuts"),
        rate("Resumes, a minute", "resumes"),
        rate("Replies given up before they sounded, a minute", "drops"),
        rate("Replies that the client stopped playing, a minute", "stalls"),
        rate("Looks at sounds, a minute", "sound_looks"),
        since_start("Looks not answered in time, a second", "sound_late"),
        since_start("Looks that found too many before them, a second", "sound_busy"),
    ),
    "Vendors and tools": (
        spread("Order to first sound", "first_audio"),
        rate("Vendors' failures, a minute", "vendor_errors"),
        rate("Times that a TTS came too slowly, a minute", "underruns"),
        rate("Tools, a minute, by their ends", "tools"),
        rate("Prepared replies, a minute", "prepared"),
        rate("Characters of prepared replies not used, a minute", "prepared_waste_chars"),
        rate("Sound of prepared replies not used, a minute", "prepared_waste_ms", "ms"),
    ),
    "The server": (
        gauge("How late ticks and VAD come", "late_ms", "ms"),
        rate("Frames that left late, a minute", "frames_late"),
        since_start("Ticks that came late, a second", "ticks_late"),
        since_start("Windows judged, a second", "vad_windows"),
        since_start("Time spent judging them, a second", "vad_busy_ms", "ms"),
        since_start("Windows that came too fast, a second", "vad_dropped"),
        gauge("The fleet's store is away", "fleet_away", "bool"),
        since_start("Fields of memories that were too large, a second", "memory_dropped"),
        gauge("Pairs of UDP ports of SIP calls", "sip_ports"),
        total("Notices that slow watchers missed, a minute", "notices_dropped"),
    ),
    "Records": (
        total("Lines of records that are lost, a minute", "record_lines_lost"),
        gauge("Bytes of records that wait for the disk", "record_bytes_waiting", "bytes"),
        gauge("Bytes of sound that wait for the disk", "audio_bytes_waiting", "bytes"),
        rate("Webhooks, a minute, by how attempts end", "webhooks"),
        gauge("Webhooks that wait", "webhooks_waiting"),
    ),
}


def dashboard() -> dict[str, object]:
    """As Grafana imports it."""
    panels: list[dict[str, object]] = []
    y = 0
    for row, inside in ROWS.items():
        panels.append({"type": "row", "title": row, "collapsed": False, "gridPos": _at(0, y, WIDE, 1), "panels": []})
        y += 1
        for number, panel in enumerate(inside):
            panels.append(_panel(panel, _at(WIDE // 3 * (number % 3), y + HIGH * (number // 3), WIDE // 3, HIGH)))
        y += HIGH * -(-len(inside) // 3)
    for number, each in enumerate(panels, 1):
        each["id"] = number
    return {
        "uid": "bargein",
        "title": "Bargein",
        "tags": ["bargein"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {"list": [_SOURCE_VARIABLE, _NODE_VARIABLE]},
        "annotations": {"list": []},
        "panels": panels,
    }


_SOURCE_VARIABLE = {
    "name": "source",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "refresh": 1,
}
_NODE_VARIABLE = {
    "name": "node",
    "label": "Node",
    "type": "query",
    "datasource": SOURCE,
    "query": {"query": 'label_values(bargein_calls_live{job="bargein"}, node)', "refId": "node"},
    "includeAll": True,
    "multi": True,
    "allValue": ".*",
    "current": {"text": "All", "value": "$__all"},
    "refresh": 2,
}


def _at(x: int, y: int, wide: int, high: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": wide, "h": high}


def _panel(panel: Panel, at: dict[str, int]) -> dict[str, object]:
    targets = [
        {"refId": chr(ord("A") + n), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
        for n, (expr, legend) in enumerate(panel.queries)
    ]
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": at,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def page() -> str:
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page())
