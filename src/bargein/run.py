"""Three ways to run an agent from Python: `serve` by itself, `create_app` in an app, `run_call` on one's own transport.

Each imports its machinery when it is called: a module that defines an agent also imports `serve`, and a test or a task
queue that imports that module should not wait a second for FastAPI and onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bargein.agent import Agent
from bargein.floor import Policy

if TYPE_CHECKING:
    from bargein.call.record.status import CallStatus
    from bargein.call.runtime import Runtime
    from bargein.notices import Notice
    from bargein.protocols import CallControl, Journal, Transport
    from bargein.server.app import VoiceApp


def serve(
    agent: Agent | Sequence[Agent],
    *,
    host: str | None = None,
    port: int | None = None,
    policy: str | None = None,
    record: Path | str | None = None,
    token: str | None = None,
    origins: Sequence[str] = (),
    max_calls: int | None = None,
    public_url: str | None = None,
    workers: int | Literal["auto"] | None = None,
) -> None:
    """Serve calls with this agent, and the page to make them with, until the process is told to stop.

    Prints the address once calls can be taken. Of several agents the first is the default, and the page offers all.
    An argument that is not given is the BARGEIN_* setting of that name. policy: a preset for every call; record: folder
    for records of calls (None: no records); origins: other sites whose pages may call. workers: processes that take
    calls behind the one port ("auto": one for each processor); each of them runs this program again, from its
    beginning, and makes its own agent. Raises UsageError for what cannot be served: no agent, a port that is taken, an
    open address without a token, workers of a program that cannot be run again.
    """
    from bargein.server.supervisor.run import supervise_program  # noqa: PLC0415  # see the module's docstring

    settings: dict[str, Any] = {
        "record": record,
        "host": host,
        "port": port,
        "policy": policy,
        "token": token,
        "origins": tuple(origins) or None,
        "max_calls": max_calls,
        "public_url": public_url,
        "workers": workers,
    }
    if supervise_program(**settings):
        return
    from bargein.server import serve as server  # noqa: PLC0415

    server.serve_agents(agent, **settings)


def create_app(
    agent: Agent | Sequence[Agent] | None = None,
    *,
    policy: str | None = None,
    record: Path | str | None = None,
    token: str | None = None,
    origins: Sequence[str] = (),
    max_calls: int | None = None,
    public_url: str | None = None,
) -> VoiceApp:
    """An ASGI app that takes calls with this agent: for any ASGI server, or mounted in another app.

        voice = create_app(agent)
        app = FastAPI(lifespan=voice.lifespan)
        app.mount("/voice", voice)

    agent: None takes what BARGEIN_AGENT names. The other arguments are those of `serve`. Without a token, calls come
    from this machine only. Raises UsageError for what cannot be served.
    """
    from bargein.server import app  # noqa: PLC0415  # see the module's docstring

    return app.app_for(
        agent,
        record=record,
        policy=policy,
        token=token,
        origins=tuple(origins) or None,
        max_calls=max_calls,
        public_url=public_url,
    )


def uvicorn_options(app: VoiceApp, path: str = "") -> dict[str, Any]:
    """The options by which a uvicorn of one's own takes telephones on picows, within the bounds of `serve`.

        uvicorn.run(outer, **uvicorn_options(voice, "/voice"))

    app: of `create_app`. path: where it is mounted in the outer app. The bounds on connections, requests, frames and
    messages hold for every connection of that uvicorn. A signal drains no calls there: uvicorn closes sockets at once.
    """
    from bargein.server import serve as server  # noqa: PLC0415  # see the module's docstring

    return server.uvicorn_options(app, path)


async def run_call(
    agent: Agent,
    transport: Transport,
    *,
    runtime: Runtime | None = None,
    journal: Journal | None = None,
    policy: Policy | None = None,
    watch: Callable[[Notice], None] | None = None,
    control: CallControl | None = None,
    facts: Mapping[str, str] | None = None,
) -> CallStatus:
    """One call on a transport of one's own. Returns its last status: the conversation as heard, and why it ended.

    runtime: the clock, ticker and VAD that several calls share (None: the call has its own). journal: None keeps no
    record. watch: gets every notice that the transport gets. control: hangs up and transfers a telephone call. facts:
    about the connection, for the record. The agent's parts belong to the caller: `run_call` does not close them.
    """
    from bargein.standalone_call import standalone_call  # noqa: PLC0415  # see the module's docstring

    return await standalone_call(
        agent,
        transport,
        runtime=runtime,
        journal=journal,
        policy=policy,
        watch=watch,
        control=control,
        facts=facts,
    )
