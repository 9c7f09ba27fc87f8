"""The HTTP routes, but for those of calls and nodes (fleet_routes.py)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from bargein.agent import Agent
from bargein.errors import BargeinError
from bargein.floor import Policy
from bargein.floor.numbers import Number
from bargein.floor.policy import PRESETS
from bargein.floor.policy_groups import NUMBERS
from bargein.server.access import by_owner, of_caller, of_hub, of_owner
from bargein.server.auth import Audience
from bargein.server.builder import AgentBuilder
from bargein.server.hub import Hub
from bargein.server.metrics import CONTENT_TYPE
from bargein.server.probe import AT_ONCE, code_of, try_part
from bargein.server.refusals import Refusal
from bargein.server.registry import RegisteredPart
from bargein.server.simulated import FAULTS, inject
from bargein.server.start_call import policy_for
from bargein.server.toml_config import Language, PartChoice
from bargein.server.workers_view import metrics_page, readiness
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.vendor import KINDS

TRY_STATUS = {
    "bad_request": 422,
    "unavailable": 409,
    "vendor_refused": 502,
    "vendor_lost": 503,
    "late": 504,
    "failed": 500,
}


class InjectThis(BaseModel):
    """The body of POST /simulate/faults."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=60)


class TryThis(PartChoice):
    """The body of POST /parts/try."""

    kind: Literal["stt", "llm", "tts"]
    language: Language = "en"


router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(hub: Hub = of_hub) -> JSONResponse:
    """Calls can be taken: the VAD is warm, the TTS has spoken, and the LLM's server answers; in one worker
    of several at least. Asking has the parts tried again in the background, so an outage and its end show in a later
    answer."""
    hub.readiness.look_again()
    ready, told = await readiness(hub)
    if hub.sip.door is not None:
        told = {**told, "sip": hub.sip.door.state()}
    return JSONResponse(told, 200 if ready else 503)


@router.get("/metrics")
async def metrics(hub: Hub = of_owner) -> Response:
    """Of this process, or of all workers of this server."""
    return Response(await metrics_page(hub), media_type=CONTENT_TYPE)


@router.get("/agents")
async def agents(hub: Hub = of_caller) -> dict[str, object]:
    """The agents there are, the default first, with their parts and their calls' policy; whether the vendors are
    simulated; what is missing, and how it would come; under `bargein dev`, what is wrong with the agent's file."""
    return {
        "agents": [_agent(hub, agent) for agent in hub.catalogue.agents.values()],
        "simulated": hub.catalogue.simulator_url is not None,
        "missing": [asdict(missing) for missing in hub.catalogue.missing],
        "mistake": hub.catalogue.mistake,
        "policies": list(PRESETS),
    }


@router.get("/policy")
async def policy(hub: Hub = of_caller) -> dict[str, object]:
    """Every number of a policy as it is declared, and the presets' values. The page makes its sliders of them."""
    return {
        "presets": {name: Policy.named(name).numbers() for name in PRESETS},
        "numbers": [_number(number) for number in NUMBERS.values()],
    }


@router.get("/parts")
async def parts(hub: Hub = of_hub, owned: bool = by_owner) -> dict[str, object]:
    """What an agent can be made of, with the options that the asker may set; of keys, only whether they are set."""
    builder = _builder(hub)
    return {
        "parts": [
            _part(part, builder.environment, owned=owned) for kind in KINDS for part in builder.registry.of_kind(kind)
        ],
        "policies": list(PRESETS),
    }


@router.post("/parts/try")
async def parts_try(this: TryThis, hub: Hub = of_hub, owned: bool = by_owner) -> dict[str, object]:
    """Try one part alone: a TTS says a word, an LLM answers, an STT reads a sentence that our own TTS says."""
    builder = _builder(hub)
    if not owned:
        builder.registry.find(this.kind, this.name).part.demand_visitors(this.options)
    if len(builder.trials) >= AT_ONCE:
        advice = "Wait until one of them has answered"
        raise Refusal(429, "busy", f"{AT_ONCE} parts are being tried already", advice=advice)
    try:
        tried = await try_part(builder, hub.host.clock, this.kind, this.name, this.options, language=this.language)
    except BargeinError as error:
        code = code_of(error)
        message, advice = builder.hide(error.message), builder.hide(error.advice)
        raise Refusal(TRY_STATUS[code], code, message, advice=advice) from None
    return {"first_ms": round(tried.first_ms, 1), "ms": round(tried.ms, 1), "text": tried.text}


@router.get("/simulate")
async def faults(hub: Hub = of_caller) -> dict[str, object]:
    """The faults that can be injected where our simulators stand in for the vendors; none elsewhere."""
    there = hub.catalogue.simulator_url is not None
    return {"faults": [{"name": f.name, "part": f.part, "title": f.title} for f in FAULTS if there]}


@router.post("/simulate/faults", status_code=202)
async def inject_fault(this: InjectThis, hub: Hub = of_caller) -> dict[str, str]:
    """Have one of them happen next."""
    url = hub.catalogue.simulator_url
    if url is None:
        raise Refusal(404, "not_simulated", "The vendors here are real", advice="Serve with --simulate")
    return {"injected": (await inject(url, this.name)).title}


@router.post("/token")
async def token(audience: Audience = "page", hub: Hub = of_owner) -> dict[str, object]:
    """A token for a page, which opens calls for a few minutes, or for a telephone vendor's socket; and nothing else."""
    return {"token": hub.gate.page_token(audience), "expires_in": hub.gate.page_token_s}


@router.post("/calls/browser", status_code=204)
async def may_call(hub: Hub = of_caller) -> None:
    """Whether a page could open a call now: 204, or the refusal that its WebSocket would get. A browser shows a page
    nothing of a handshake that was refused; here it can read why."""
    with hub.calls.place():
        return


def _builder(hub: Hub) -> AgentBuilder:
    if hub.catalogue.builder is None:
        raise Refusal(404, "not_found", "Nothing can be chosen here", advice="Start the server with `bargein serve`")
    return hub.catalogue.builder


def _part(part: RegisteredPart, environment: Environment, *, owned: bool) -> dict[str, object]:
    return {
        "kind": part.kind,
        "name": part.name,
        "title": part.title,
        "installed": part.installed,
        "vendor": part.vendor.title,
        "key_set": part.key_set(environment),
        "variable": part.key_variable,
        "requirement": part.part.requirement,
        "languages": list(part.part.languages),
        "options": [asdict(option) for option in part.part.options if owned or option.for_visitors],
    }


def _number(number: Number) -> dict[str, object]:
    return {
        "name": number.name,
        "group": number.group,
        "about": number.about,
        "unit": number.unit,
        "range": number.range,
        "default": number.default,
        "slider": asdict(number.slider) if number.slider else None,
        "pipecat": number.pipecat,
        "livekit": number.livekit,
    }


def _agent(hub: Hub, agent: Agent) -> dict[str, object]:
    return {
        "name": agent.name,
        "description": agent.description,
        "stt": agent.stt_name,
        "llm": agent.llm_name,
        "tts": agent.tts_name,
        "scripted": agent.scripted,
        "direct": hasattr(agent.realtime, "create_call"),
        "language": agent.language,
        "policy": policy_for(hub, agent).numbers(),
    }
