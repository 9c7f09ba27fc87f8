"""What a worker answers for all workers of its server: the page of metrics, and whether calls can be taken."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from bargein.errors import BargeinError, FleetAway
from bargein.fleet.records import NodeRecord
from bargein.server.hub import Hub

PAGE = "metrics"  # command: a worker's own page
WITHIN_MS = 1000
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?")
_SILENT = (
    "# HELP bargein_workers_silent workers of this server that did not answer: their numbers are not on this page\n"
    "# TYPE bargein_workers_silent gauge\n"
    "bargein_workers_silent {}\n"
)


def answer_as_worker(hub: Hub) -> None:
    """Let the other workers ask this one."""

    async def page(_: Mapping[str, Any]) -> dict[str, Any]:
        return {"page": hub.metrics.page().decode()}

    hub.fleet.answer(PAGE, page)


def is_worker(hub: Hub) -> bool:
    """The server has several workers."""
    return hub.settings.node_group is not None


async def metrics_page(hub: Hub) -> bytes:
    """The metrics of this process, or of all workers, each sample with the label `worker`."""
    if not is_worker(hub):
        return hub.metrics.page()
    pages = {hub.fleet.node: hub.metrics.page().decode()}
    others = [record.id for record in await _workers(hub) if record.id != hub.fleet.node]
    answers = await asyncio.gather(*(_page_of(hub, node) for node in others))
    pages |= {node: page for node, page in zip(others, answers, strict=True) if page is not None}
    silent = max(_count(hub), 1 + len(others)) - len(pages)
    return (merged(pages) + _SILENT.format(silent)).encode()


async def readiness(hub: Hub) -> tuple[bool, dict[str, object]]:
    """Whether calls can be taken, and what is waited for. Of several workers one is enough."""
    waits = {"server": "it is closing"} if hub.calls.closing else dict(hub.readiness.waits)
    if not is_worker(hub):
        return not waits, {"ready": not waits, "waiting_for": waits}
    known = {record.id: record for record in await _workers(hub)}
    expected = [f"{hub.settings.node_group}-{index}" for index in range(_count(hub))]
    workers = {node: _state(known.get(node)) for node in sorted({*expected, *known})}
    workers[hub.fleet.node] = "waiting" if waits else "draining" if hub.fleet.draining else "ready"
    ready = "ready" in workers.values()
    return ready, {
        "ready": ready,
        "waiting_for": {} if ready else waits or {"workers": "none takes calls"},
        "workers": workers,
        "answered_by": hub.fleet.node,
    }


def merged(pages: Mapping[str, str]) -> str:
    """Pages of Prometheus's text format as one: each metric once, with the samples of all. pages: by worker."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for worker, page in sorted(pages.items()):
        label = f'worker="{worker}"'
        family = ""
        for line in page.splitlines():
            if line.startswith("# "):
                family = line.split(" ", 3)[2]
                head = heads.setdefault(family, [])
                if line.split(" ", 2)[1] not in {each.split(" ", 2)[1] for each in head}:
                    head.append(line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, label))
    return "".join(f"{line}\n" for family in heads for line in [*heads[family], *samples.get(family, [])])


def _labelled(sample: str, label: str) -> str:
    found = _SAMPLE.match(sample)
    if found is None:
        return f"# {sample}"
    name, labelled = found.groups()
    rest = sample[found.end() :]
    if not labelled:
        return f"{name}{{{label}}}{rest}"
    return f"{name}{{{label}{'' if rest.startswith('}') else ','}{rest}"


def _state(record: NodeRecord | None) -> str:
    if record is None:
        return "silent"
    return "draining" if record.draining else "ready" if record.ready else "waiting"


def _count(hub: Hub) -> int:
    return hub.settings.workers if isinstance(hub.settings.workers, int) else 1  # the supervisor has set a number


async def _workers(hub: Hub) -> list[NodeRecord]:
    """Of this server, as far as they are known now."""
    try:
        nodes = await hub.fleet.nodes()
    except FleetAway:
        return []
    return [record for record in nodes if record.group == hub.settings.node_group]


async def _page_of(hub: Hub, node: str) -> str | None:
    try:
        return str((await hub.fleet.ask(node, PAGE, {}, within_ms=WITHIN_MS))["page"])
    except (BargeinError, KeyError):
        return None
