"""From an accepted connection to a call: whose policy counts, where the record goes, and the call's place in the list.

Browsers and telephones both begin their calls here, so that an agent yields by the same numbers on either.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bargein.agent import Agent
from bargein.call.call import Call
from bargein.floor import Policy
from bargein.protocols import CallControl, Journal, Transport
from bargein.recorder.journal import FileJournal, NullJournal
from bargein.server.calls import Watchers
from bargein.server.hub import Hub


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
    return policy.with_(numbers or {})


@contextmanager
def start_call(
    hub: Hub,
    agent: Agent,
    policy: Policy,
    transport: Transport,
    *,
    control: CallControl | None = None,
    facts: Mapping[str, str] | None = None,
) -> Iterator[Call]:
    """A call that is listed while the block, which runs it, lasts. Raises Refusal when the server is closing."""
    call_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
    watchers = Watchers(hub.metrics)
    call = Call(
        call_id=call_id,
        agent=agent,
        transport=transport,
        runtime=hub.host,
        journal=_journal(hub, call_id, agent, policy),
        policy=policy,
        watch=watchers.publish,
        control=control,
        facts=facts,
    )
    with hub.calls.listed(call, watchers):
        yield call
    hub.swept.set()


def _journal(hub: Hub, call_id: str, agent: Agent, policy: Policy) -> Journal:
    if hub.settings.record is None:
        return NullJournal()
    return FileJournal(hub.settings.record, call_id, agent=agent.name, policy=policy, language=agent.language)
