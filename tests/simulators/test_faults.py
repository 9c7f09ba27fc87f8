"""Faults on demand: each happens once, and one that a simulator does not have is refused."""

from __future__ import annotations

from collections import deque

import httpx
import pytest
from fastapi import FastAPI

from bargein_simulators.faults import add_fault_route, add_fault_routes, take_fault


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator")


def test_each_fault_is_taken_once_in_its_order() -> None:
    faults = deque(["429", "drop"])
    assert [take_fault(faults) for _ in range(3)] == ["429", "drop", None]


@pytest.mark.parametrize(("names", "status", "left"), [(["429"], 200, ["429"]), (["429", "flood"], 422, [])])
async def test_a_server_with_one_simulator_takes_the_faults_it_knows(
    names: list[str], status: int, left: list[str]
) -> None:
    app, faults = FastAPI(), deque[str]()
    add_fault_route(app, faults, ("429", "drop"))
    async with client(app) as http:
        answer = await http.post("/simulator/faults", json={"faults": names})
    assert answer.status_code == status
    assert list(faults) == left


async def test_a_server_with_several_puts_a_fault_into_the_queue_of_its_name() -> None:
    queues = {"flux": deque[str](), "nova": deque[str]()}
    known = {"flux": ("drop",), "nova": ("drop", "stall")}
    async with client(add_fault_routes(FastAPI(), queues, known)) as http:
        wrong = await http.post("/simulator/flux/faults", json={"faults": ["drop", "stall"]})
        put = await http.post("/simulator/nova/faults", json={"faults": ["drop", "stall"]})
        missing = await http.post("/simulator/aura/faults", json={"faults": ["drop"]})
    assert wrong.status_code == 422
    assert "No fault 'stall': the simulator has drop" in wrong.text
    assert put.json() == {"waiting": 2}
    assert queues == {"flux": deque(), "nova": deque(["drop", "stall"])}
    assert missing.status_code == 404
    assert "flux, nova" in missing.text
