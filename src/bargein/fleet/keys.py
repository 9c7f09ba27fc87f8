"""Names of what the fleet keeps in its store, and how long it lives there."""

from __future__ import annotations

NODES = "nodes"  # index of node ids, by load
CALLS = "calls"  # index of call ids, by start
EPOCH, RECORD, OWNER, POSITION = "epoch", "record", "owner", "position"  # fields of a call, besides its memory's
INSTANCE, BEAT, CALL = "instance", "beat", "call"
MEMORY = "m."  # before the names of a memory's fields
OVER = b"over"  # epoch of a call that has ended: a node that it was taken from cannot list it again
OVER_TTL_MS = 600_000  # so long it is known which node had it last

NODE_TTL_MS = 5_000  # five heartbeats
QUEUE_TTL_MS = 60_000


def node_key(node: str) -> str:
    """Record, instance and heartbeat of a node."""
    return f"node:{node}"


def call_key(call_id: str) -> str:
    """Record, epoch, owner and memory of a call."""
    return f"call:{call_id}"


def network_key(network: str, network_id: str) -> str:
    """The id of the call that a network knows by an id of its own."""
    return f"net:{network}:{network_id}"


def pulse_key(owner: str) -> str:
    """Heard positions of the calls of a node's instance."""
    return f"pulse:{owner}"


def spent_key(token: str) -> str:
    """A token that was used."""
    return f"spent:{token}"


def control_queue(node: str) -> str:
    """Commands to a node, and answers to its own."""
    return f"control:{node}"


def audio_of(call_id: str) -> str:
    """The topic of a call's live audio. The topic of its events is its id."""
    return f"{call_id}/audio"


def call_of(topic: str) -> str:
    """The call that a topic is about."""
    return topic.partition("/")[0]


def events_channel(topic: str) -> str:
    """What comes live of a call."""
    return f"events:{topic}"
