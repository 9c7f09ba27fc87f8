"""The whole cascade over the telephone, with every fault that its vendors can have: no call gets stuck."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from bargein.agent import Agent, Greeting
from bargein.audio.resample import resample
from bargein.floor import Policy
from bargein.recorder.reading import Noted, Ordered, read
from bargein.tools import hang_up
from bargein.vendors.deepgram.flux import DeepgramFlux
from bargein.vendors.elevenlabs.speech import ElevenLabsSpeech
from bargein.vendors.groq.chat import GroqChat
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import EndCallStep, SayLine, Step
from bargein_simulators.chat import ChatMessage, ChatSimulator, add_chat
from bargein_simulators.deepgram_flux import FluxSimulator, add_flux
from bargein_simulators.elevenlabs import ElevenLabsSimulator, add_elevenlabs
from bargein_simulators.simulated_stt import Script
from bargein_simulators.speech import SimulatedSpeech
from tests.server.kit import ToneVoice, settings, world
from tests.simulators.serving import serving
from tests.sounds import labels, load

GREETING = "Hello, and welcome to the harbour hotel. There is a lot to tell about our rooms, our breakfast and the sea."
FIRST, SECOND = "what is the first", "and what is the second"


@dataclass
class Vendors:
    """The simulated vendors of one call."""

    speech: SimulatedSpeech
    greets: bool = True
    flux: FluxSimulator = field(init=False)
    chat: ChatSimulator = field(init=False)
    voice: ElevenLabsSimulator = field(init=False)

    def __post_init__(self) -> None:
        script = Script([FIRST, SECOND])
        self.flux = FluxSimulator(words=lambda: script, delay_ms=30)
        self.chat = ChatSimulator(respond=self.answer, first_token_ms=30, token_ms=2, models=())
        self.voice = ElevenLabsSimulator(first_audio_ms=30, speed=8.0, speech=self.speech)

    @staticmethod
    def answer(messages: Sequence[ChatMessage]) -> str:
        said = next((m.content or "" for m in reversed(messages) if m.role == "user"), "")
        number = "second" if "second" in said else "first"
        return f"This answers the {number} question, in a sentence of a dozen words or so. And here is one more."

    def app(self) -> FastAPI:
        app = FastAPI()
        add_flux(app, self.flux)
        add_chat(app, self.chat)
        add_elevenlabs(app, self.voice)
        return app

    def fail(self, part: str, *faults: str) -> None:
        """In the first turn, or the first reply."""
        queues: dict[str, deque[Any]] = {
            "ears": self.flux.turn_faults,
            "line": self.flux.faults,
            "model": self.chat.faults,
            "voice": self.voice.faults,
        }
        queues[part].extend(faults)


def line(name: str, at_ms: float) -> SayLine:
    label = next(each for each in labels() if each.file == name)
    samples = resample(load(name), 8000).samples
    return SayLine(at_ms, samples[int(label.onset_ms * 8) : int(label.end_ms * 8) + 400], name=name)


def agent_of(name: str, url: str, *, greets: bool) -> Agent:
    return Agent(
        name=name,
        stt=DeepgramFlux(api_key="k", base_url=url, silence_s=0.6),
        llm=GroqChat(api_key="k", base_url=f"{url}/v1", timeout_s=0.6, first_token_s=0.6),
        tts=ElevenLabsSpeech(api_key="k", base_url=url.replace("http", "ws"), timeout_s=0.6),
        fallback_tts=ToneVoice(),
        instructions="Be short.",
        greeting=Greeting(GREETING if greets else ""),
        policy=Policy.balanced().with_({"answer_timeout_ms": 3000}),
        tools=(hang_up,),
    )


@dataclass(frozen=True)
class Story:
    """What became of a call."""

    users: list[str | None]
    said: list[tuple[str, str]]  # text, how it ended
    actions: list[str]


async def calls(vendors: Mapping[str, Vendors], steps: Sequence[Step], folder: Path) -> dict[str, Story]:
    """A call to each, at once, in one server with an agent for every name."""
    async with AsyncExitStack() as stack:
        agents = []
        for name, each in vendors.items():
            url = await stack.enter_async_context(serving(each.app(), ws=True))
            agent = agent_of(name, url, greets=each.greets)
            agents.append(agent)
            for part in (agent.llm, agent.tts):
                stack.push_async_callback(part.aclose)  # type: ignore[union-attr]
        here = await stack.enter_async_context(world(settings(folder, max_calls=len(agents)), *agents, alone=False))
        url = here.url.replace("http", "ws") + "/twilio/media"
        async with asyncio.TaskGroup() as group:
            for name in vendors:
                group.create_task(Caller(url, list(steps), 15_000, parameters={"agent": name}).run())
    found: dict[str, Story] = {}
    for record in folder.iterdir():  # noqa: ASYNC240  # a test's own folder
        recording = read(record)
        found[recording.header.agent] = story_of(recording.entries)
    return found


def story_of(entries: Sequence[object]) -> Story:
    notes = [e for e in entries if isinstance(e, Noted)]
    heard: dict[object, tuple[str, str]] = {
        n.facts["reply"]: (str(n.facts["text"]), str(n.facts["ended"])) for n in notes if n.kind == "heard"
    }
    return Story(
        users=[None if n.facts["text"] is None else str(n.facts["text"]) for n in notes if n.kind == "user"],
        said=list(heard.values()),
        actions=[type(e.action).__name__ for e in entries if isinstance(e, Ordered)],
    )


STEPS: list[Step] = [line("interruption-1.wav", 1_500), line("interruption-4.wav", 9_000), EndCallStep(13_500)]


FAULTS: dict[str, tuple[str, ...]] = {
    "the transcriber drops in the middle of a word": ("ears", "drop"),
    "the transcriber ends with an error": ("ears", "error"),
    "the transcriber hears a turn begin, and nothing more": ("ears", "stall"),
    "the transcriber accepts, and never answers": ("line", "silent"),
    "the transcriber's key is wrong": ("line", "401"),
    "the model is over its limit": ("model", "429", "429"),
    "the model's server fails": ("model", "500", "500"),
    "the model stalls after ten tokens": ("model", "stall_after_ten"),
    "the model's stream turns into nonsense": ("model", "malformed"),
    "the model accepts, and never answers": ("model", "no_answer", "no_answer"),
    "the model's key is wrong": ("model", "401"),
    "the voice is silent": ("voice", "silent"),
    "the voice is late": ("voice", "slow"),
    "the voice dies in the middle of a word": ("voice", "drop"),
    "the voice stalls in the middle of a word": ("voice", "stall"),
    "the voice's key is wrong": ("voice", "401"),
}


WELL = "nothing fails"


async def test_a_conversation_goes_on_whatever_fails_and_is_exact_to_the_word_where_nothing_does(
    tmp_path: Path,
) -> None:
    """All at once, a call each: every fault comes in the first turn, and the second is answered, or told why not."""
    speech = SimulatedSpeech()
    vendors = {name: Vendors(speech) for name in (WELL, *FAULTS)}
    for name, (part, *kinds) in FAULTS.items():
        vendors[name].greets = part != "voice"  # or it would be the greeting that fails
        vendors[name].fail(part, *kinds)
    stories = await calls(vendors, STEPS, tmp_path)
    await speech.aclose()
    assert stories.keys() == vendors.keys()
    assert {name: story for name, story in stories.items() if not recovered(story)} == {}

    story = stories[WELL]
    assert story.users == [FIRST, SECOND]
    (greeting, ended), (first, _), (second, _) = story.said
    assert ended == "cut"
    assert GREETING.startswith(greeting)
    assert len(greeting.split()) >= 2
    assert first.startswith("This answers the first question")
    assert second.startswith("This answers the second")
    assert story.actions.count("Prepare") == 2, "replies are prepared before the turn is surely over"
    assert len(vendors[WELL].chat.served) == 2, "and used"


def recovered(story: Story) -> bool:
    """After the first turn came an answer, or the reason why there is none; and the same after the second."""
    told = [text for text, _ in story.said if text and not GREETING.startswith(text)]
    first = any(text.startswith(("Sorry", "This answers the first")) for text in told[:2])
    return first and any(text.startswith(("This answers the second", "Sorry, I cannot")) for text in told[1:])
