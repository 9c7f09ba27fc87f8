"""How a worker is started: as the very command that was given to this process, with a channel in its environment.

So a worker has the same settings, files and agents, of whatever objects a script made them; nothing is copied, no key
is written to a command line, and no process is forked that has threads.
"""

from __future__ import annotations

import functools
import os
import socket
import sys

from bargein.errors import UsageError
from bargein.server.supervisor.channel import Place, receive_by_worker

FD_VARIABLE = "_BARGEIN_WORKER_CHANNEL"


class Assignment:
    """What a worker got from its supervisor."""

    def __init__(self, place: Place, channel: socket.socket) -> None:
        self.place = place
        self.channel = channel


@functools.cache
def assignment() -> Assignment | None:
    """This process's work, if it is a worker. The variable is gone after this, so that no process of ours inherits it.

    Raises UsageError for a variable that no supervisor has set.
    """
    number = os.environ.pop(FD_VARIABLE, None)
    if number is None:
        return None
    try:
        channel = socket.socket(fileno=int(number))
        os.set_inheritable(channel.fileno(), False)
        first = receive_by_worker(channel)
    except (OSError, ValueError) as error:
        raise UsageError(f"{FD_VARIABLE} names no channel", advice="Unset it: only workers have it") from error
    if first is None or not isinstance(first[0], Place):
        raise UsageError("The supervisor is gone", advice="Start the server again")
    channel.setblocking(False)
    return Assignment(first[0], channel)


def worker_name() -> str:
    """The node's name of this process, if it is a worker; else ""."""
    given = assignment()
    return "" if given is None else given.place.node


def same_command() -> tuple[list[str], dict[str, str]]:
    """The command of this process and its environment. Raises UsageError for a process that has none to repeat."""
    given = sys.orig_argv[1:]
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if not given or (main is None and "-c" not in given) or "-i" in given:
        raise UsageError(
            "Several workers run this program's command again, and it has none",
            advice="Write the agent to a file, and run that file, or `bargein serve --agent FILE.py --workers 2`",
        )
    return [sys.executable, *given], dict(os.environ)
