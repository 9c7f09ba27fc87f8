"""From an accepted connection to a call: whose policy counts, where the record goes, and the call's place in the list.

Browsers and telephones both begin their calls here, so that an agent yields by the same numbers on either.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext

from bargein.agent import Agent
from bargein.call.call import Call
from bargein.call.memory.restored import RestoredCall
from bargein.errors import UsageError
from bargein.fleet.records import CallRecord
from bargein.floor import Policy
from bargein.foreign import printable
from bargein.protocols import MOVED, CallControl
from bargein.recorder.journal import FileJournal, NullJournal
from bargein.recorder.redaction import Redaction
from bargein.recorder.spoken_digits import SpokenDigits
from bargein.server.call_memory import CallMemory
from bargein.server.calls import Watchers
from bargein.server.hub import Hub
from bargein.server.kept_calls import BROWSER, KeptCall, PageSecret
from bargein.server.log_context import LoggedCall, logged_call
from bargein.server.records.recording import may_be_recorded, plan_for
from bargein.server.restoring import PAGE
from bargein.transports.kept import Connection, KeptTransport

RECORD_S = 2.0  # that the end of a call waits for its record
TRACE = "trace"  # the field of a memory by which the trace goes on
NUMBERS = ("from", "to")  # facts that are telephone numbers
FACT_CHARS = 200  # of what a connection says of itself
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def language_for(agent: Agent, wanted: str | None) -> str:
    """The language of a call. wanted: the connection's. Raises UsageError for one that is no language tag."""
    if not wanted:
        return agent.language
    if len(wanted) > 35 or not _LANGUAGE.fullmatch(wanted):
        raise UsageError(f"{printable(wanted, 40)!r} is no language", advice='Give a tag such as "en" or "pt-BR"')
    return wanted


def policy_for(
    hub: Hub,
    agent: Agent,
    *,
    preset: str | None = None,
    numbers: Mapping[str, object] | None = None,
) -> Policy:
    """The policy of a call. The connection's preset stands above the server's, the server's above the agent's own.

    numbers: single numbers of the policy that the connection asks for. Raises UsageError for one that is unknown.
    """
    named = preset or hub.settings.policy
    policy = Policy.named(named) if named is not None else agent.policy
    policy = policy.with_(numbers or {})
    if policy.idle.max_call_ms is None and hub.settings.max_call_s is not None:
        policy = policy.with_({"max_call_ms": hub.settings.max_call_s * 1000})
    return policy


@asynccontextmanager
async def start_call(
    hub: Hub,
    agent: Agent,
    policy: Policy,
    connection: Connection,
    *,
    network: str,
    network_id: str | None = None,
    control: CallControl | None = None,
    facts: Mapping[str, str] | None = None,
    restored: RestoredCall | None = None,
    dialed: tuple[str, Watchers] | None = None,
) -> AsyncIterator[KeptCall]:
    """A call that is listed while the block, which runs it, lasts. Then its record is on disk, unless the disk takes
    too long. Raises Refusal when the server is closing.

    network_id: the network's own id of the call, by which a new connection finds it. "": it has none, and the call
    ends with its connection. None: our own id of the call is meant. restored: the call began on another server, and
    was claimed for this one. dialed: the id of a call that we made, and those who have watched it ring.
    """
    if dialed is not None:
        call_id, watchers = dialed
    else:
        call_id = restored.call_id if restored is not None else new_call_id()
        watchers = Watchers(hub.metrics, hub.fleet, call_id, hub.redaction)
    folder = call_id if restored is None else f"{call_id}-{restored.epoch}"
    journal = journal_for(hub, folder, agent, policy)
    watched = SpokenDigits(journal) if hub.redaction.digits and may_be_recorded(hub, agent) else journal
    found_by = call_id if network_id is None else network_id
    can_return = bool(found_by) and connection.capabilities.carries_audio
    transport = KeptTransport(connection, hub.host.clock, hub.settings.keep_s * 1000 if can_return else 0)
    told = {name: told_fact(hub.redaction, name, value) for name, value in (facts or {}).items()}
    memory = CallMemory(hub.fleet, call_id) if hub.fleet.shared and can_return else None
    traced = None
    if hub.telemetry is not None:
        remembered = None if restored is None else restored.others.get(TRACE)
        traced = hub.telemetry.call(
            watched, call_id=call_id, agent=agent, policy=policy, door=network, facts=told, remembered=remembered
        )
    call = Call(
        call_id=call_id,
        agent=agent,
        transport=transport,
        runtime=hub.host,
        journal=traced or watched,
        trace=traced,
        policy=policy,
        watch=watchers.publish,
        control=control,
        facts=told if restored is None else {**restored.about.facts, **told},
        memory=memory,
        restored=restored,
        recording=plan_for(hub, agent, watched, folder, restored),
    )
    known = None if restored is None else restored.others.get(PAGE)
    kept = KeptCall(call, transport, None if known is None else PageSecret.from_memory(known))
    if memory is not None and network == BROWSER:
        kept.page_secret.on_change = lambda: memory.remember({PAGE: kept.page_secret.memory()})
    logged = LoggedCall(call_id, agent.name, network, "" if traced is None else traced.trace_id)
    try:
        with logged_call(logged), hub.calls.listed(call, watchers), hub.kept.listed(network, found_by, kept):
            if restored is None and hub.fleet.shared:
                record = CallRecord(call_id, hub.fleet.node, agent.name, network, found_by, time.time(), epoch=0)
                await hub.fleet.add_call(record)
                kept.page_secret.on_change()
                if traced is not None and memory is not None:
                    memory.remember({TRACE: traced.memory()})
            if restored is not None:
                hub.metrics.call_restored("moved" if restored.moved else "lost")
            with nullcontext() if traced is None else traced.current():
                yield kept
    finally:
        (traced or watched).close()
        if call.over != MOVED and hub.fleet.shared:
            await asyncio.shield(hub.fleet.remove_call(call_id))
        await journal.written(RECORD_S)
        if hub.webhook is not None and call.over != MOVED:
            hub.webhook.call_over(folder)
        hub.swept.set()


def new_call_id() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def told_fact(redaction: Redaction, name: str, value: str) -> str:
    """What a connection says of itself, as records and status show it."""
    return printable(redaction.number(value) if name in NUMBERS else value, FACT_CHARS)


def journal_for(hub: Hub, call_id: str, agent: Agent, policy: Policy) -> FileJournal | NullJournal:
    """The record of a call: nothing, where the settings want none."""
    if hub.settings.record is None:
        return NullJournal()
    return FileJournal(
        hub.settings.record,
        call_id,
        agent=agent.name,
        policy=policy,
        language=agent.language,
        disk=hub.disk,
        redaction=hub.redaction,
        on_lost=hub.metrics.record_lost,
    )
