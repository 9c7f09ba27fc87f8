"""The files of deploy/, each by the program or the schema of those who read it. What was only checked, and not run, is
said in docs/deploy.md: no Docker and no Kubernetes are here."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from bargein.server.settings import Settings
from benchmarks.fleet_processes import free_port, program, running

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NODES = {"NODE_A": "127.0.0.1:8081", "NODE_B": "127.0.0.1:8082", "NODE_C": "127.0.0.1:8083"}
COMPOSE = (DEPLOY / "compose.yaml").read_text()
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\})")


def interpolated(text: str, given: dict[str, str]) -> str:
    """As Compose does it: `${A:-b}`, `${A:?why}`, `$$`."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if name is None:
            return "$"
        assert given.get(name) or kind == "-", f"{name} is needed: {rest}"
        return given.get(name) or rest

    return VARIABLE.sub(value, text)


def example() -> dict[str, str]:
    """fleet.env.example, its empty lines that Compose demands filled in."""
    lines = [line for line in (DEPLOY / "fleet.env.example").read_text().splitlines() if line and line[0] != "#"]
    given = dict(line.split("=", 1) for line in lines)
    return {name: value.strip('"') or "a-secret-of-sixteen-or-more" for name, value in given.items()}


def composed(given: dict[str, str]) -> dict[str, Any]:
    """compose.yaml as Compose sees it: variables and merges resolved."""
    found: dict[str, Any] = yaml.safe_load(interpolated(COMPOSE, given))
    return found


def of_kind(kind: str, name: str = "bargein") -> dict[str, Any]:
    (found,) = [each for each in MANIFESTS if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def certificate(path: Path) -> None:
    """A certificate and its key in one file, as HAProxy takes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voice.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=9999)
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem) + secret)


def check_haproxy(config: Path, **environment: str) -> None:
    words = [program("haproxy"), "-c", "-f", str(config)]
    told = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


# ---------------------------------------------------------------------------------------------------------- HAProxy


def test_haproxy_takes_its_configuration_with_and_without_tls(tmp_path: Path) -> None:
    check_haproxy(DEPLOY / "haproxy.cfg", BIND=":8080", **NODES)
    certificate(tmp_path / "tls.pem")
    check_haproxy(DEPLOY / "haproxy.cfg", BIND=f":8443 ssl crt {tmp_path}/tls.pem alpn http/1.1", **NODES)


def test_haproxy_takes_the_configuration_of_kubernetes(tmp_path: Path) -> None:
    (tmp_path / "haproxy.cfg").write_text(of_kind("ConfigMap", "bargein-haproxy")["data"]["haproxy.cfg"])
    check_haproxy(tmp_path / "haproxy.cfg", NODES="localhost", ANY="localhost")


# ----------------------------------------------------------------------------------------------------------- Docker


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    told = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert told.stdout + told.stderr == ""


def test_the_image_is_built_of_files_that_are_there_and_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert f"!{name}" in ignored, f"{name} would not be sent to the builder"
    assert ignored[1] == "*"
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "TOKEN" not in text
    assert "KEY" not in text


def test_the_images_healthcheck_is_a_program_of_python() -> None:
    (words,) = re.findall(r"HEALTHCHECK .*?CMD (\[.*\])", (DEPLOY / "Dockerfile").read_text())
    python, flag, code = yaml.safe_load(words)
    assert (python, flag) == ("python", "-c")
    told = subprocess.run([sys.executable, "-c", code], env={"BARGEIN_PORT": "1"}, capture_output=True, check=False)
    assert told.returncode == 1  # nobody listens there
    assert b"URLError" in told.stderr


# ---------------------------------------------------------------------------------------------------------- Compose


def test_compose_takes_its_file() -> None:
    text = yaml.safe_dump(composed(example()))
    assert len(compose_spec.PyCompose.from_yaml(text)) == 7
    for right, wrong in (("62m", "62 mm"), ("service_healthy", "healthy"), ("stop_grace_period", "stop_grace")):
        with pytest.raises(ValueError, match=r"services\.a"):  # the schema is one that can say no
            compose_spec.PyCompose.from_yaml(text.replace(right, wrong))


def test_compose_starts_nothing_without_its_secrets() -> None:
    for name in ("BARGEIN_TOKEN", "BARGEIN_FLEET_KEY", "REDIS_PASSWORD", "BARGEIN_PUBLIC_URL"):
        with pytest.raises(AssertionError, match=name):
            composed({**example(), name: ""})


def test_the_nodes_differ_by_name_and_folder_alone_and_may_drain_to_their_end() -> None:
    services = composed(example())["services"]
    for name in "abc":
        node = services[name]
        assert node["environment"]["BARGEIN_NODE"] == name
        assert int(node["environment"]["BARGEIN_DRAIN_S"]) < int(node["stop_grace_period"].removesuffix("m")) * 60
        assert services["haproxy"]["environment"][f"NODE_{name.upper()}"] == f"{name}:8080"


def test_every_variable_that_a_node_is_given_is_a_setting() -> None:
    known = {Settings.variable(name) for name in Settings.model_fields}
    given = set(composed(example())["services"]["a"]["environment"])
    pod = of_kind("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    given |= {each["name"] for each in pod["env"]}
    image = re.findall(r"(BARGEIN_\w+)=", (DEPLOY / "Dockerfile").read_text())
    assert {name for name in {*given, *image} if name.startswith("BARGEIN_")} <= known


async def test_redis_starts_with_what_compose_and_kubernetes_pipe_into_it() -> None:
    ours = composed(example())["services"]["redis"]["command"]
    pod = of_kind("Deployment", "bargein-redis")["spec"]["template"]["spec"]["containers"][0]
    assert pod["command"] == ours
    port = free_port()
    script = ours[2].replace("redis-server -", f"{program('redis-server')} - --port {port} --bind 127.0.0.1")
    environment = {"REDIS_PASSWORD": "a-password"}
    async with running("sh", "-c", script, env=environment, ready="Ready to accept connections"):
        async with Redis(port=port, password="a-password") as client:
            assert await client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert await client.config_get("save") == {"save": ""}
        async with Redis(port=port) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()


# ------------------------------------------------------------------------------------------------------- Kubernetes


@pytest.mark.parametrize("version", ["1.29", "1.36"])
def test_kubernetes_takes_every_manifest(version: str) -> None:
    for each in MANIFESTS:
        kubernetes_validate.validate(each, version, strict=True)


def test_kubernetes_schema_can_say_no() -> None:
    wrong = {**of_kind("PodDisruptionBudget"), "spec": {"maxUnavailible": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.29", strict=True)


def test_services_and_budgets_find_their_pods_and_pods_have_what_they_name() -> None:
    workloads = [each for each in MANIFESTS if each["kind"] in ("StatefulSet", "Deployment")]
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in workloads]
    for each in workloads:
        assert each["spec"]["selector"]["matchLabels"] == each["spec"]["template"]["metadata"]["labels"]
        pod = each["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    for each in MANIFESTS:
        if each["kind"] == "Service":
            assert each["spec"]["selector"] in labels
        if each["kind"] == "PodDisruptionBudget":
            assert each["spec"]["selector"]["matchLabels"] in labels
    assert of_kind("StatefulSet")["spec"]["serviceName"] in {e["metadata"]["name"] for e in MANIFESTS}


def test_a_pod_has_more_time_to_end_than_its_calls_have() -> None:
    pod = of_kind("StatefulSet")["spec"]["template"]["spec"]
    (drain_s,) = [each["value"] for each in pod["containers"][0]["env"] if each["name"] == "BARGEIN_DRAIN_S"]
    assert pod["terminationGracePeriodSeconds"] > int(drain_s)


# ------------------------------------------------------------------------------------------------------- Prometheus


def test_prometheus_asks_every_node_of_compose() -> None:
    services = composed(example())["services"]
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    nodes = {each["labels"]["node"]: each["targets"][0] for each in job["static_configs"]}
    assert nodes == {name: f"{name}:8080" for name in "abc"}
    assert set(nodes) <= set(services)
    assert job["authorization"]["credentials_file"] == "/run/secrets/bargein_token"
    assert "bargein_token" in services["prometheus"]["secrets"]
