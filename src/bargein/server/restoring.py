"""A client comes to this server with a call that another server has, or had: where the call is, or what is remembered
of it. Then the call is this server's."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bargein.agent import Agent
from bargein.call.memory.restored import RestoredCall, read_memory
from bargein.errors import BargeinError, FleetAway, UsageError
from bargein.fleet.fleet import Fleet
from bargein.fleet.records import CallRecord
from bargein.floor import Policy
from bargein.floor.policy_groups import NUMBERS
from bargein.server.hub import Hub
from bargein.server.kept_calls import PageSecret

log = logging.getLogger(__name__)

PAGE = "page"
"""The field of a memory by which a page is known that comes back."""


@dataclass(frozen=True, slots=True)
class Home:
    """The call goes on at another node, which answers."""

    node: str
    url: str | None
    """The node's own address. None: `/n/{node}` below the public one."""


async def returning(hub: Hub, *, network: str, network_id: str) -> Home | RestoredCall | None:
    """A telephone's stream: the call that its network knows by this id. None: there is none, or none that can go on;
    a new call begins."""
    fleet = hub.fleet
    if not fleet.shared or not network_id:
        return None
    try:
        record = await fleet.find_by_network(network, network_id)
        return None if record is None else await _found(fleet, record)
    except FleetAway as error:
        log.warning("A caller may have been here before, and that cannot be known now: %s", error.message)
        return None


async def resuming(hub: Hub, call_id: str, secret: str) -> Home | RestoredCall | None:
    """A page: its call. None: there is none that can go on, or the secret is not the call's."""
    fleet = hub.fleet
    if not fleet.shared:
        return None
    try:
        record = await fleet.find_call(call_id)
    except FleetAway as error:
        log.warning("A page may have been here before, and that cannot be known now: %s", error.message)
        return None
    if record is None:
        return None
    try:
        if record.node and not record.moved and await fleet.holds(record):
            return await _home(fleet, record.node)  # which knows the secret
        kept = await fleet.recall(record, PAGE)
        if kept is None or not PageSecret.from_memory(kept).claim(secret):
            return None
        return await _claimed(fleet, record)
    except (BargeinError, ValueError) as error:
        log.warning("Call %s cannot be restored: %s", record.id, error)
        return None


async def _found(fleet: Fleet, record: CallRecord) -> Home | RestoredCall | None:
    if record.node and not record.moved and await fleet.holds(record):
        return await _home(fleet, record.node)
    return await _claimed(fleet, record)


async def _home(fleet: Fleet, node: str) -> Home:
    nodes = await fleet.nodes()
    return Home(node, next((each.url for each in nodes if each.id == node), None))


async def _claimed(fleet: Fleet, record: CallRecord) -> Home | RestoredCall | None:
    try:
        memory = await fleet.claim(record)
        if memory is None:  # another node was quicker, or the call is over
            newer = await fleet.find_call(record.id)
            return None if newer is None or not newer.node else await _home(fleet, newer.node)
        restored = read_memory(record.id, memory.record.epoch, memory.fields, memory.position, moved=record.moved)
    except FleetAway:
        raise
    except BargeinError as error:
        log.warning("Call %s cannot be restored, and its caller is greeted anew: %s", record.id, error)
        await fleet.remove_call(record.id)
        return None
    log.warning("Call %s: restored here (%s)", record.id, "moved" if record.moved else f"node {record.node} is lost")
    return restored


def agent_of(hub: Hub, restored: RestoredCall) -> tuple[Agent, Policy]:
    """The agent and the policy that the call had. Raises UsageError where this server has no such agent."""
    about = restored.about
    agent = hub.catalogue.get(about.agent)
    return dataclasses.replace(agent, language=about.language), policy_of(about.policy, restored.state.lasted_ms)


def policy_of(numbers: Mapping[str, object], lasted_ms: float) -> Policy:
    """The policy of a call, as it is remembered: what this version does not know is left out. The time that the call
    has lasted counts."""
    preset = numbers.get("preset")
    policy = Policy()
    try:
        policy = Policy.named(str(preset)) if preset is not None else policy
        policy = policy.with_({name: value for name, value in numbers.items() if name in NUMBERS})
    except UsageError as error:
        log.warning("A restored call has another policy than before: %s", error)
    longest = policy.idle.max_call_ms
    if longest is not None:
        policy = policy.with_({"max_call_ms": max(1_000.0, longest - lasted_ms)})
    return policy


async def give_up(hub: Hub, restored: RestoredCall) -> None:
    """A call that was claimed does not begin after all: it is over."""
    await asyncio.shield(hub.fleet.remove_call(restored.call_id))
