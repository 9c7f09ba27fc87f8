"""Grafana's dashboard: as its script makes it, and with a panel for each metric, each of which is there."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import yaml

from tests.server.kit import settings, world

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "bargein.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
WHERE_THERE_IS_SIP = {"bargein_sip_ports"}


def queried() -> dict[str, str]:
    """Each series that a panel asks for, with its query."""
    exprs = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return {name: expr for expr in exprs for name in re.findall(r"\bbargein_\w+", expr)}


def test_it_is_as_its_script_makes_it() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "dashboard.py"))["page"]()
    assert made == (GRAFANA / "bargein.json").read_text("utf-8"), "run python tools/dashboard.py"


async def test_every_panel_asks_for_a_metric_that_is_there_and_every_metric_has_a_panel(tmp_path: Path) -> None:
    async with world(settings(tmp_path)) as here:
        page = (await here.http.get("/metrics")).text
    told = set[str]()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE):
        if not name.endswith("_created"):
            told.add(f"{name}_bucket" if kind == "histogram" else name)
    asked = set(queried()) - WHERE_THERE_IS_SIP
    assert told - asked == set(), "no panel shows these: add them to tools/dashboard.py"
    assert asked - told == set(), "there are no such metrics"


def test_queries_are_balanced_and_panels_do_not_overlap() -> None:
    assert all(expr.count(a) == expr.count(b) for expr in queried().values() for a, b in ("()", "[]", "{}"))
    cells = [
        (at["x"] + x, at["y"] + y)
        for at in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(at["w"])
        for y in range(at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_compose_gives_grafana_its_source_and_its_dashboard() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    mounted = dict(each.split(":")[:2] for each in services["grafana"]["volumes"])
    assert all((ROOT / "deploy" / source).exists() for source in mounted if source.startswith("./"))
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"].removeprefix("http://").split(":")[0] in services
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/bargein.yml").read_text())["providers"]
    assert mounted["./grafana/bargein.json"].startswith(provider["options"]["path"])
    assert services["grafana"]["profiles"] == ["grafana"]
