"""docs/deploy.md and the files of deploy/: their commands and options exist, their files are there, their variables are
settings, and their metrics are told by a server."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
import yaml

from bargein.cli import app
from tests.server.kit import world

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deploy.md").read_text()
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
OURS = [line for line in SHELL if re.match(r"(\S+/)?bargein ", line)]


def of_systemd() -> str:
    (found,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "bargein.service").read_text(), re.MULTILINE)
    return str(found)


def of_kubernetes() -> list[str]:
    nodes = next(e for e in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()) if e["kind"] == "StatefulSet")
    (container,) = nodes["spec"]["template"]["spec"]["containers"]
    return [
        shlex.join(["bargein", *container["args"]]),
        shlex.join(container["lifecycle"]["preStop"]["exec"]["command"]),
    ]


@pytest.mark.parametrize("line", [*OURS, of_systemd(), *of_kubernetes()])
def test_every_command_of_ours_exists_with_its_options(line: str) -> None:
    program, name, *words = shlex.split(line)
    assert Path(program).name == "bargein"
    root = typer.main.get_command(app)
    with root.make_context("bargein", [name, *words], resilient_parsing=True) as context:
        command = root.get_command(context, name)  # type: ignore[attr-defined]
        assert command is not None, f"there is no command {name}"
        command.make_context(name, list(words))  # raises for an option or an argument that is not there


def test_every_file_that_a_command_names_is_there() -> None:
    assert OURS
    for line in SHELL:
        for word in shlex.split(line):
            if word.startswith("deploy/"):
                assert (ROOT / word).exists(), line
    copied = [line.split()[1] for line in SHELL if line.startswith("cp ") and "/" not in line.split()[1]]
    assert [name for name in copied if not (DEPLOY / name).exists()] == []


def test_compose_is_told_of_services_that_it_has() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    (built,) = [line for line in SHELL if "--build " in line and line.split()[-1] != "--detach"]
    assert built.split()[-1] in services
    assert {"a", "b", "c", "redis", "haproxy", "prometheus", "grafana"} == set(services)


async def test_every_metric_that_is_watched_is_told() -> None:
    rules = (DEPLOY / "alerts.yml").read_text() + (DEPLOY / "kubernetes.yaml").read_text() + PAGE
    watched = {
        name.removesuffix("_total").removesuffix("_bucket")
        for name in re.findall(r"`?\b(bargein_[a-z_]+[a-z])\b", rules)
    } - {"bargein_token"}
    async with world() as here:
        page = (await here.http.get("/metrics")).text
    told = set(re.findall(r"^# TYPE (\w+?)(?:_total)? ", page, re.MULTILINE))
    assert "bargein_capacity_used" in watched
    assert watched <= told, watched - told


def test_prometheus_and_its_alerts_are_what_they_say() -> None:
    settings = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert settings["rule_files"] == ["alerts.yml"]
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert (
                {"alert", "expr", "labels", "annotations"}
                <= set(rule)
                <= {"alert", "expr", "for", "labels", "annotations"}
            )
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert set(rule["annotations"]) == {"summary", "advice"}
            assert rule["expr"].count("(") == rule["expr"].count(")")
