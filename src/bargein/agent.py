"""An agent is plain configuration: its parts, instructions, greeting and tools.

agent = Agent(
    stt=deepgram.Flux(),
    llm=groq.Chat(),
    tts=elevenlabs.Speech(),
    instructions="You take bookings for a small hotel.",
    greeting="Good evening, how may I help?",
)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction, isgeneratorfunction
from typing import Literal, get_args

from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.protocols import (
    LLM,
    TTS,
    BatchSTT,
    ConversationItem,
    EndRequest,
    HangUp,
    RealtimeModel,
    RecordAudio,
    StreamingSTT,
    Tool,
    Transfer,
    TurnModel,
)
from bargein.spoken_form import SpokenForm

REPROMPTS: Mapping[str, str] = {
    "silence": "Are you still there?",
    "failed": "Sorry, I lost my thread. Could you say that again?",
    "late": "Sorry, that takes me too long. Could you ask me again?",
    "back": "Sorry, we were cut off.",
    "restored": "Sorry, I lost you for a moment.",
    "resumed": "As I was saying,",
    "repeat": "Could you say that again?",
    "busy": "Sorry, all our lines are busy at the moment. Please hold, or call again in a few minutes.",
    "not_transferred": "Sorry, I could not put you through.",
    "machine": "",  # to a voicemail; "": the call ends without a word
    "goodbye": "Sorry, I have to end this call now. Goodbye.",
    "deaf": "Sorry, I cannot make out any words at the moment. Please try again in a little while.",
    "gave_up": "I am sorry, something is wrong on my side, and I have to end this call. Please call again later.",
    "handed_on": "I am sorry, something is wrong on my side. I will put you through to a colleague who can help.",
}
LEAST_PROMPT_TOKENS = 500
SOFTEST_DB, LOUDEST_DB = -70.0, -24.0  # of a background: a louder one is taken for speech at the far end
FILLERS: Mapping[str, Sequence[str]] = {
    "en": ("One moment, please.", "I am still working on it.", "Thank you for waiting. It will not take much longer."),
    "de": ("Einen Moment, bitte.", "Ich bin noch dabei.", "Danke für Ihre Geduld. Es dauert nicht mehr lange."),
    "es": ("Un momento, por favor.", "Sigo en ello.", "Gracias por esperar. Ya falta poco."),
    "fr": ("Un instant, s'il vous plaît.", "J'y travaille encore.", "Merci de patienter. Ce ne sera plus long."),
    "it": ("Un momento, per favore.", "Ci sto ancora lavorando.", "Grazie per l'attesa. Manca poco."),
    "nl": (
        "Een ogenblik, alstublieft.",
        "Ik ben er nog mee bezig.",
        "Dank u voor het wachten. Nog even.",
    ),
    "pt": ("Um momento, por favor.", "Ainda estou a tratar disso.", "Obrigado por esperar. Falta pouco."),
    "he": ("רגע אחד, בבקשה.", "אני עדיין בודק.", "תודה על ההמתנה. זה לא ייקח עוד הרבה זמן."),
    "hi": ("एक क्षण, कृपया।", "मैं अभी देख रहा हूँ।", "प्रतीक्षा के लिए धन्यवाद। अब ज़्यादा समय नहीं लगेगा।"),
    "ja": ("少々お待ちください。", "ただいま確認しております。", "お待たせしております。もうすぐ終わります。"),
    "zh": ("请稍等。", "我还在处理。", "感谢您的等待，马上就好。"),
}
# What each part must be able to do: a part is known by its methods, and needs no base class.
_SHAPES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "llm": (("reply", "name"), "an object with `name` and `async def reply(prompt)`"),
    "tts": (("speak", "rate", "name"), "an object with `name`, `rate` and `async def speak(text)`"),
    "realtime": (("open", "turns", "transcribes_user", "name"), "a realtime model, such as openai.Realtime()"),
    "fallback_tts": (("speak", "rate", "name"), "an object with `name`, `rate` and `async def speak(text)`"),
    "fallback_stt": (("read", "rate", "name"), "a batch STT: an object with `name`, `rate` and `async def read(pcm)`"),
    "turn_model": (("judge", "name"), "an object with `name` and `async def judge(pcm, *, deadline_ms)`"),
}
_GENERATORS = (("llm", "reply"), ("tts", "speak"), ("fallback_tts", "speak"))  # methods that yield as they go
_STT = "a streaming STT (`open`, such as deepgram.Flux()) or a batch STT (`read`, such as local.Moonshine())"


Summarize = Callable[[str, Sequence[ConversationItem]], Awaitable[str]]
"""Makes a summary of the turns that are left out of prompts. It gets the summary so far, and the items that follow."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is left on a voicemail, after its beep. Nothing interrupts it; then the call ends."""

    text: str


@dataclass(frozen=True, slots=True)
class MachineFound:
    """A voicemail has picked up a call of ours."""

    why: str
    """By which sign the voicemail was told from a person."""
    words: str
    """What it has said so far. "": not known."""


Voicemail = Literal["hang_up"] | Message | Callable[[MachineFound], Awaitable[str | None] | str | None]
"""What an agent does with a voicemail. A function returns the text to leave; None or "": the call ends."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the agent says first. Either text may be empty."""

    text: str = ""
    protected: str = ""
    """A beginning that nothing interrupts (a legal notice). The text follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who answers a call: either `llm` and `tts`, usually with an `stt`, or a `realtime` model.

    Raises UsageError for parts that do not fit together; its advice says what to give.
    """

    stt: StreamingSTT | BatchSTT | Literal["auto"] | None = "auto"
    """Tells the user's words. "auto": the server gives the best STT that the machine has, and says which; run_call has
    none to give. None: no words are read, and voice activity alone decides."""
    llm: LLM | None = None
    tts: TTS | None = None
    realtime: RealtimeModel | None = None
    """A speech-to-speech model, in place of stt, llm and tts."""
    instructions: str = ""
    greeting: Greeting | str = ""
    """What the agent says first: a string, or a Greeting with a protected beginning."""
    tools: Sequence[Tool] = ()
    """What the agent can do besides speaking (`bargein.tool` makes a tool of a function)."""
    language: str = "en"
    """A language tag, such as "en" or "pt-BR"."""
    policy: Policy = field(default_factory=Policy.balanced)
    """How readily the agent yields."""
    name: str = "agent"
    """As in `--agent`, in logs and in GET /agents."""
    description: str = ""
    fallback_tts: TTS | None = None
    """Speaks where the tts, or the realtime model, fails: the words that are known, or else an apology."""
    fallback_stt: BatchSTT | None = None
    """Reads words while a streaming stt is away, and for verdicts beside a realtime model."""
    turn_model: TurnModel | None = None
    """Judges by its sound whether a turn of the user is over (such as local.SmartTurn()), beside the words. None: the
    words alone do."""
    reprompts: Mapping[str, str] = field(default_factory=lambda: dict(REPROMPTS))
    """What to say on silence, failed, late, back (the connection was lost, and is there again), restored (the server
    was lost, and another one goes on), then resumed (before words that were not heard) or repeat (the user's words were
    lost), busy (no place is free), deaf (no words can be read), not_transferred, machine (a voicemail), goodbye (the
    call has to end), gave_up and handed_on (the agent cannot go on, and hangs up or hands the caller on), in the
    agent's language. An absent entry is ours for an agent that speaks English; else nothing is said, and for late and
    silence the text for failed. "" says nothing."""
    fillers: Sequence[str] | None = None
    """What to say, in turn, while an answer or a tool takes long (the policy's `filler_ms`). None: FILLERS of the
    agent's language, where there are any. (): nothing."""
    background: str | None = None
    """A sound that goes on under the agent's voice and in its pauses: "office", or the path of a WAV file. Where the
    far end takes replies alone (pages), there is none."""
    background_db: float = -45.0
    """How loud the background is: rms, dB of full scale."""
    voicemail: Voicemail | None = None
    """What to do when a voicemail picks up a call of ours: "hang_up", a Message, or a function that returns the text to
    leave. None: a voicemail is talked to as a person, unless the policy has `machine_ms`."""
    max_prompt_tokens: int | None = None
    """Most tokens of a prompt, by our own coarse estimate: older turns are left out. None: 16,000, or four fifths of
    the LLM's context less 500, if that is fewer. A realtime model is asked to keep as much of the conversation; None:
    as much as it can."""
    summarize: Summarize | None = None
    """Tells in a few sentences what happened in turns that are left out of the prompt. None: they are left out."""
    on_failure: EndRequest = field(default_factory=HangUp)
    """How a call ends in which the policy's `max_failures` replies in a row were lost: HangUp() or Transfer(number)."""
    spoken_form: SpokenForm = True
    """What is spoken of a text. True: no marks of Markdown, no pictures, and of an address its host. False: the text as
    it is written. A function gets each clause and returns what is spoken of it. What was heard is recorded in the text
    as it was written, in any case."""
    hide_thoughts: bool = True
    """Text in `<think>...</think>` and the like is neither said nor kept. False: it is text like any other."""
    record_audio: RecordAudio | None = None
    """Whether the audio of its calls is recorded, where the server keeps records: "off", "on" (unless a call refuses),
    or "consent" (where a call says so). None: as the server's setting says."""
    scripted: bool = False
    """The llm is a script and no language model. The page says so."""

    def __post_init__(self) -> None:
        tools: object = self.tools
        if isinstance(tools, str) or not isinstance(tools, Iterable):
            raise UsageError(f"Agent {self.name!r}: tools cannot be {_shown(tools)}", advice="Give a list of tools")
        object.__setattr__(self, "tools", tuple(tools))
        if self.language.lower().split("-")[0] == "en":
            object.__setattr__(self, "reprompts", {**REPROMPTS, **self.reprompts})
        object.__setattr__(self, "fillers", None if self.fillers is None else tuple(self.fillers))
        self._demand_parts()
        self._demand_shapes()

    @property
    def opening(self) -> Greeting:
        """The greeting with its protected beginning, "" where there is none."""
        return Greeting(self.greeting) if isinstance(self.greeting, str) else self.greeting

    @property
    def filler_texts(self) -> Sequence[str]:
        """What to say while an answer or a tool takes long. Empty: nothing."""
        if self.fillers is not None:
            return self.fillers
        return FILLERS.get(self.language.partition("-")[0].lower(), ())

    @property
    def streaming_stt(self) -> StreamingSTT | None:
        """The stt, if it listens as the user speaks."""
        return self.stt if isinstance(self.stt, StreamingSTT) else None

    @property
    def batch_stt(self) -> BatchSTT | None:
        """The STT that transcribes whole recordings: `stt` itself, or `fallback_stt`."""
        if isinstance(self.stt, BatchSTT):
            return self.stt
        return self.fallback_stt

    @property
    def parts(self) -> tuple[object, ...]:
        """Every part that is there, to be started and closed with the agent."""
        every = (
            self.llm,
            self.tts,
            None if self.stt == "auto" else self.stt,
            self.realtime,
            self.fallback_tts,
            self.fallback_stt,
            self.turn_model,
        )
        return tuple(part for part in every if part is not None)

    @property
    def stt_name(self) -> str:
        """The names of all that read the user's words, "" for none."""
        listening = (self.streaming_stt, self.realtime, self.batch_stt)
        return " and ".join({id(part): part.name for part in listening if part is not None}.values())

    @property
    def llm_name(self) -> str:
        part = self.realtime or self.llm
        return part.name if part is not None else ""

    @property
    def tts_name(self) -> str:
        part = self.realtime or self.tts
        return part.name if part is not None else ""

    def _demand_parts(self) -> None:
        if self.realtime is not None:
            given = [name for name in ("stt", "llm", "tts") if getattr(self, name) not in (None, "auto")]
            if given:
                raise UsageError(
                    f"Agent {self.name!r} has realtime and also {' and '.join(given)}",
                    advice="Give either realtime, or llm and tts (with or without stt)",
                )
            object.__setattr__(self, "stt", None)
            return
        missing = [name for name in ("llm", "tts") if getattr(self, name) is None]
        if missing:
            raise UsageError(
                f"Agent {self.name!r} needs either llm and tts, or realtime; {' and '.join(missing)} not given",
                advice=f"Give {' and '.join(f'{name}=...' for name in missing)}, or realtime=... alone",
            )

    def _demand_shapes(self) -> None:
        for name, (methods, wanted) in _SHAPES.items():
            part = getattr(self, name)
            lacks = [method for method in methods if not hasattr(part, method)]
            if part is not None and (isinstance(part, type) or lacks):
                self._refuse(name, part, lacks, wanted)
        for name, method in _GENERATORS:
            function = getattr(getattr(self, name), method, None)
            if iscoroutinefunction(function) or isgeneratorfunction(function):
                raise UsageError(
                    f"Agent {self.name!r}: {name}.{method} is no async generator",
                    advice=f"Write `async def {method}(...)` with `yield` in it",
                )
        if self.stt is not None and self.stt != "auto":
            kind = "open" if hasattr(self.stt, "open") else "read"
            lacks = [method for method in (kind, "name") if not hasattr(self.stt, method)]
            if isinstance(self.stt, type) or lacks:
                self._refuse("stt", self.stt, lacks, _STT)
        if not isinstance(self.instructions, str):
            raise UsageError(
                f"Agent {self.name!r}: instructions cannot be {_shown(self.instructions)}", advice="Give a string"
            )
        for tool in self.tools:
            if not all(hasattr(tool, attribute) for attribute in ("spec", "effect", "run")):
                raise UsageError(
                    f"Agent {self.name!r}: {_shown(tool)} is no tool",
                    advice='Make a tool of a function with @tool("read"), @tool("commit") or @tool("terminal")',
                )
        if self.tools and getattr(self.llm, "takes_tools", True) is False:
            raise UsageError(
                f"Agent {self.name!r}: its llm calls its own tools, and cannot call those of the agent",
                advice="Give the tools to the llm's own agent or graph, and let one of them end the call by "
                "bargein.llms.end_call()",
            )
        if not isinstance(self.policy, Policy):
            raise UsageError(
                f"Agent {self.name!r}: policy cannot be {_shown(self.policy)}",
                advice="Give Policy.instant(), Policy.balanced() or Policy.patient()",
            )
        if not isinstance(self.spoken_form, bool) and not callable(self.spoken_form):
            raise UsageError(
                f"Agent {self.name!r}: spoken_form cannot be {_shown(self.spoken_form)}",
                advice="Give True, False, or a function that takes a clause and returns what is spoken of it",
            )
        if self.max_prompt_tokens is not None and self.max_prompt_tokens < LEAST_PROMPT_TOKENS:
            raise UsageError(
                f"Agent {self.name!r}: max_prompt_tokens cannot be {self.max_prompt_tokens}",
                advice=f"Give at least {LEAST_PROMPT_TOKENS}, or None",
            )
        if self.record_audio not in (None, *get_args(RecordAudio)):
            raise UsageError(
                f"Agent {self.name!r}: record_audio cannot be {_shown(self.record_audio)}",
                advice='Give "off", "on" or "consent"',
            )
        if not isinstance(self.on_failure, HangUp | Transfer):
            raise UsageError(
                f"Agent {self.name!r}: on_failure cannot be {_shown(self.on_failure)}",
                advice="Give HangUp(), or Transfer(number)",
            )
        if isinstance(self.fillers, str) or not all(isinstance(text, str) for text in self.fillers or ()):
            raise UsageError(
                f"Agent {self.name!r}: fillers are no list of texts", advice='Give ("One moment, please.",)'
            )
        if self.background is not None and not isinstance(self.background, str):
            raise UsageError(
                f"Agent {self.name!r}: background cannot be {_shown(self.background)}",
                advice='Give "office", or the path of a WAV file',
            )
        if not SOFTEST_DB <= self.background_db <= LOUDEST_DB:
            raise UsageError(
                f"Agent {self.name!r}: background_db cannot be {self.background_db}",
                advice=f"Give {SOFTEST_DB:g} to {LOUDEST_DB:g} dB; at -45 it can just be heard",
            )
        voicemail = self.voicemail
        if not (voicemail in (None, "hang_up") or isinstance(voicemail, Message) or callable(voicemail)):
            raise UsageError(
                f"Agent {self.name!r}: voicemail cannot be {_shown(voicemail)}",
                advice='Give "hang_up", Message(text), or a function that returns the text to leave',
            )
        if not isinstance(self.greeting, Greeting | str):
            raise UsageError(
                f"Agent {self.name!r}: greeting cannot be {_shown(self.greeting)}",
                advice="Give a string, or Greeting(text, protected)",
            )

    def _refuse(self, name: str, part: object, lacks: Sequence[str], wanted: str) -> None:
        """lacks: what the part does not have; [] for a class in place of an object."""
        if lacks == ["name"] and not isinstance(part, type):
            kind = type(part).__name__
            raise UsageError(
                f"Agent {self.name!r}: {name} has no name", advice=f'Write `name = "..."` in the class {kind}'
            )
        raise UsageError(f"Agent {self.name!r}: {name} cannot be {_shown(part)}", advice=f"Give {wanted}")


def _shown(value: object) -> str:
    """What a reader sees of a wrong value: never a key that may be in it."""
    if isinstance(value, type):
        return f"the class {value.__name__} (make one of it: {value.__name__}())"
    return f"a {type(value).__name__}"
