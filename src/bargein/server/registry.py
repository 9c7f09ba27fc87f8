"""The table of all parts that an agent can be made of, and how each is made from the settings.

A part's module is imported when it is first made, and in a thread: a vendor's SDK takes up to seconds to import, which
neither the start of a server that does not use it nor the calls of one that does should wait for.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError
from bargein.server.settings import Settings

Kind = Literal["stt", "llm", "tts", "realtime"]
KINDS: tuple[Kind, ...] = ("stt", "llm", "tts")  # of a cascade; a speech model takes the seat of all three
Value = str | float | tuple[str, ...]

TEXT_CHARS, WORDS = 200, 100  # bounds of an option
_SAFE = re.compile(r"[A-Za-z0-9+][\w ./:+-]*")  # ids go into addresses and commands


@dataclass(frozen=True, slots=True)
class Option:
    """Something that can be chosen of a part; the name is its constructor's. default: what the part does without it,
    for people; suggestions: good values, though others may do; kind number: from least to most; words: a list."""

    name: str
    title: str
    default: str | float | None = None
    suggestions: tuple[str, ...] = ()
    kind: Literal["text", "number", "words"] = "text"
    least: float = 0
    most: float = 0

    def read(self, value: object) -> Value:
        """The value as the constructor takes it. Raises Misuse, saying what is allowed."""
        match self.kind, value:
            case "number", int() | float() if value is not True and self.least <= value <= self.most:
                return value
            case "text", str() if len(value) <= TEXT_CHARS and _SAFE.fullmatch(value) and ".." not in value:
                return value
            case "words", list() | tuple() if len(value) <= WORDS and all(
                isinstance(word, str) and 0 < len(word) <= TEXT_CHARS for word in value
            ):
                return tuple(value)
        allowed = {
            "number": f"a number from {self.least:g} to {self.most:g}",
            "text": f"letters, digits and . / : + - _, at most {TEXT_CHARS}",
            "words": f"a list of at most {WORDS} words or phrases",
        }[self.kind]
        raise UsageError(f"{self.name} cannot be {str(value)[:80]!r}", advice=f"Give {allowed}")


@dataclass(frozen=True, slots=True)
class Vendor:
    """name: as in BARGEIN_<VENDOR>_URL and in the settings; variables: of its key, the usual one first."""

    name: str
    title: str
    variables: tuple[str, ...]

    @property
    def url_variable(self) -> str:
        return f"BARGEIN_{self.name.upper()}_URL"

    def key(self, settings: Settings) -> SecretStr | None:
        """Its key, if there is one that is meant for it."""
        if self.name == "openai" and settings.openai_base_url and not settings.openai_url:
            return None  # it is for that server, and nobody else may see it
        key: SecretStr | None = getattr(settings, f"{self.name}_api_key")
        return key

    def url(self, settings: Settings) -> str | None:
        url: str | None = getattr(settings, f"{self.name}_url")
        return url


@dataclass(frozen=True, slots=True)
class Part:
    """kind, name: how it is chosen. module, maker: what in it makes one; packages: what must be installed for it,
    brought by `extra`; languages: that it knows, none: many. rank: among its kind for "the best there is", the lowest
    first, None: only by name. streams: a transcriber that hears as one speaks (otherwise it reads whole turns). place:
    the setting that says where it is, for what is nobody's but the user's."""

    kind: Kind
    name: str
    title: str
    module: str
    maker: str
    vendor: Vendor | None = None
    packages: tuple[str, ...] = ()
    extra: str = ""
    options: tuple[Option, ...] = ()
    languages: tuple[str, ...] = ()
    rank: int | None = None
    streams: bool = False
    place: str = ""

    @property
    def local(self) -> bool:
        """It runs on this machine, as a stopgap for a vendor's."""
        return self.name in ("moonshine", "ollama", "espeak")

    @property
    def installed(self) -> bool:
        return all(importlib.util.find_spec(name) is not None for name in (self.module, *self.packages))

    def placed(self, settings: Settings) -> str | None:
        """What the setting says; None: nothing, or there is no such setting."""
        found: str | None = getattr(settings, self.place) if self.place else None
        return found

    @property
    def place_variable(self) -> str:
        """The environment's name of that setting."""
        return self.place.upper() if self.place.startswith("openai_") else f"BARGEIN_{self.place.upper()}"

    def key_set(self, settings: Settings) -> bool | None:
        """Whether its key is set; None: it needs none."""
        return None if self.vendor is None else self.vendor.key(settings) is not None

    def demand(self, settings: Settings) -> None:
        """Raises Unavailable, naming the extra or the variable that would bring it."""
        if not self.installed:
            raise Unavailable(f"{self.title} is not installed", advice=f"Install the extra: bargein[{self.extra}]")
        if self.vendor is None or self.vendor.key(settings) is not None:
            return
        variable = self.vendor.variables[0]
        if getattr(settings, f"{self.vendor.name}_api_key") is not None:
            why = f"OPENAI_BASE_URL is set, so {variable} is not for {self.vendor.title}"
            raise Unavailable(why, advice=f"Choose openai-compatible, or set {self.vendor.url_variable}, too")
        raise Unavailable(f"{self.title} has no key", advice=f"Set {variable}")

    def speaks(self, language: str) -> bool:
        return not self.languages or language.partition("-")[0].lower() in self.languages

    def read(self, options: Mapping[str, object]) -> dict[str, Value]:
        """The options as the constructor takes them. Raises Misuse for one that is unknown or out of range."""
        known = {option.name: option for option in self.options}
        for name in options:
            if name not in known:
                allowed = f"Known are: {', '.join(known)}" if known else "Leave it out"
                raise UsageError(f"{self.name} has no option {name[:80]!r}", advice=allowed)
        return {name: known[name].read(value) for name, value in options.items() if value is not None}

    async def load(self) -> Callable[..., object]:
        """What makes it: its class, or a function. Raises Unavailable when it is not there after all."""
        try:
            module = await asyncio.to_thread(importlib.import_module, self.module)
            made: Callable[..., object] = attrgetter(self.maker)(module)
        except (ImportError, AttributeError) as error:
            raise Unavailable(
                f"{self.title} cannot be loaded: {error.name or self.maker} is missing",
                advice=f"Install the extra: bargein[{self.extra}]",
            ) from error
        return made

    def access(self, settings: Settings) -> dict[str, object]:
        """Key and URL, as the constructor takes them."""
        if self.vendor is None:
            return {}
        return {"api_key": self.vendor.key(settings), "base_url": self.vendor.url(settings)}


def find(kind: Kind, name: str) -> Part:
    """Raises Misuse for a name that is not in the table."""
    for part in PARTS:
        if (part.kind, part.name) == (kind, name):
            return part
    known = ", ".join(part.name for part in PARTS if part.kind == kind)
    raise UsageError(f"There is no {kind} {name[:80]!r}", advice=f"Choose one of {known}")


def of_kind(kind: Kind) -> list[Part]:
    """The best first."""
    ranked = [part for part in PARTS if part.kind == kind]
    return sorted(ranked, key=lambda part: len(PARTS) if part.rank is None else part.rank)


DEEPGRAM = Vendor("deepgram", "Deepgram", ("DEEPGRAM_API_KEY",))
GROQ = Vendor("groq", "Groq", ("GROQ_API_KEY",))
OPENAI = Vendor("openai", "OpenAI", ("OPENAI_API_KEY",))
ELEVENLABS = Vendor("elevenlabs", "ElevenLabs", ("ELEVENLABS_API_KEY", "ELEVEN_API_KEY"))
CARTESIA = Vendor("cartesia", "Cartesia", ("CARTESIA_API_KEY",))
MISTRAL = Vendor("mistral", "Mistral", ("MISTRAL_API_KEY",))
VENDORS = (DEEPGRAM, GROQ, OPENAI, ELEVENLABS, CARTESIA, MISTRAL)

_LANGUAGE = Option("language", "Language")
_WHISPERS = ("whisper-large-v3-turbo", "whisper-large-v3")

PARTS = (
    Part(
        "stt",
        "deepgram-flux",
        "Deepgram Flux",
        "bargein.vendors.deepgram.flux",
        "DeepgramFlux",
        DEEPGRAM,
        ("deepgram",),
        "deepgram",
        (
            Option("model", "Model", "flux-general-en", ("flux-general-en", "flux-general-multi")),
            _LANGUAGE,
            Option("keyterms", "Words to expect", kind="words"),
            Option("eot_threshold", "Sure enough to answer", 0.7, kind="number", least=0.5, most=1),
            Option("eager_eot_threshold", "Sure enough to prepare", 0.4, kind="number", least=0.3, most=0.9),
        ),
        rank=1,
        streams=True,
    ),
    Part(
        "stt",
        "deepgram-nova",
        "Deepgram Nova",
        "bargein.vendors.deepgram.nova",
        "DeepgramNova",
        DEEPGRAM,
        ("deepgram",),
        "deepgram",
        (
            Option("model", "Model", "nova-3", ("nova-3", "nova-2")),
            _LANGUAGE,
            Option("keyterms", "Words to expect", kind="words"),
        ),
        rank=2,
        streams=True,
    ),
    Part(
        "stt",
        "groq-whisper",
        "Groq Whisper",
        "bargein.vendors.groq.whisper",
        "GroqWhisper",
        GROQ,
        ("openai",),
        "openai",
        (Option("model", "Model", _WHISPERS[0], _WHISPERS), _LANGUAGE),
        rank=3,
    ),
    Part(
        "stt",
        "openai-whisper",
        "OpenAI Whisper",
        "bargein.vendors.openai.whisper",
        "OpenAIWhisper",
        OPENAI,
        ("openai",),
        "openai",
        (
            Option("model", "Model", "whisper-1", ("whisper-1", "gpt-4o-mini-transcribe", "gpt-4o-transcribe")),
            _LANGUAGE,
        ),
        rank=4,
    ),
    Part(
        "stt",
        "moonshine",
        "Moonshine, on this machine",
        "bargein.vendors.local.moonshine",
        "MoonshineSTT",
        packages=("moonshine_voice",),
        extra="moonshine",
        languages=("en",),
        rank=5,
    ),
    Part(
        "llm",
        "groq",
        "Groq",
        "bargein.vendors.openai.chat",
        "OpenAIChat.groq",
        GROQ,
        ("openai",),
        "openai",
        (Option("model", "Model", "openai/gpt-oss-20b", ("openai/gpt-oss-20b", "openai/gpt-oss-120b")),),
        rank=1,
    ),
    Part(
        "llm",
        "openai",
        "OpenAI",
        "bargein.vendors.openai.chat",
        "OpenAIChat.openai",
        OPENAI,
        ("openai",),
        "openai",
        (Option("model", "Model", "gpt-4.1-mini", ("gpt-4.1-mini", "gpt-4.1", "gpt-4o-mini")),),
        rank=2,
    ),
    Part(
        "llm",
        "openai-compatible",
        "OpenAI-compatible server",
        "bargein.vendors.openai.chat",
        "OpenAIChat",
        packages=("openai",),
        extra="openai",
        options=(Option("model", "Model", "OPENAI_MODEL, or its first"),),
        rank=3,
        place="openai_base_url",
    ),
    Part(
        "llm",
        "ollama",
        "Ollama, on this machine",
        "bargein.vendors.openai.chat",
        "OpenAIChat",
        packages=("openai",),
        extra="openai",
        options=(Option("model", "Model", "its first"),),
        rank=4,
    ),
    Part(
        "stt",
        "voxtral-realtime",
        "Voxtral realtime",
        "bargein.vendors.mistral.realtime",
        "VoxtralRealtime",
        MISTRAL,
        (),
        "cascade",
        (
            Option("model", "Model", "voxtral-mini-transcribe-realtime-3-0", ("voxtral-mini-transcribe-realtime-3-0",)),
            _LANGUAGE,
            Option("target_streaming_delay_ms", "Delay, ms", 480, kind="number", least=80, most=2400),
        ),
        streams=True,
    ),
    Part(
        "stt",
        "voxtral-vllm",
        "Voxtral realtime, on a vLLM server",
        "bargein.vendors.vllm.realtime",
        "VLLMVoxtralRealtime",
        packages=("websockets",),
        extra="cascade",
        options=(Option("model", "Model", "mistralai/Voxtral-Mini-4B-Realtime-2602"),),
        streams=True,
        place="vllm_realtime_url",
    ),
    Part(
        "llm",
        "voxtral",
        "Voxtral: hears the user itself",
        "bargein.vendors.mistral.chat",
        "VoxtralChat",
        MISTRAL,
        ("mistralai",),
        "mistral",
        (Option("model", "Model", "voxtral-small-latest", ("voxtral-small-latest",)),),
    ),
    Part(
        "llm",
        "voxtral-vllm",
        "Voxtral, on a vLLM server",
        "bargein.vendors.openai.chat",
        "OpenAIChat.voxtral",
        packages=("openai",),
        extra="openai",
        options=(Option("model", "Model", "mistralai/Voxtral-Mini-3B-2507"),),
        place="vllm_url",
    ),
    Part(
        "llm",
        "voxtral-local",
        "Voxtral, on this machine",
        "bargein.vendors.local.voxtral",
        "VoxtralLocal",
        packages=("torch", "transformers", "mistral_common", "soundfile"),
        extra="voxtral-local",
        options=(Option("model", "Folder or name", "BARGEIN_VOXTRAL_MODEL"),),
        place="voxtral_model",
    ),
    Part(
        "llm",
        "guide",
        "The guide: a script, no language model",
        "bargein.vendors.scripted.guide",
        "Guide",
        languages=("en",),
    ),
    Part(
        "tts",
        "aura",
        "Deepgram Aura",
        "bargein.vendors.deepgram.aura",
        "DeepgramAura",
        DEEPGRAM,
        (),
        "cascade",
        (Option("voice", "Voice", "aura-2-thalia-en", ("aura-2-thalia-en", "aura-2-apollo-en", "aura-2-helena-en")),),
        rank=3,
    ),
    Part(
        "tts",
        "elevenlabs",
        "ElevenLabs",
        "bargein.vendors.elevenlabs.speech",
        "ElevenLabsSpeech",
        ELEVENLABS,
        (),
        "cascade",
        (
            Option("voice", "Voice's id"),
            Option("model", "Model", "eleven_flash_v2_5", ("eleven_flash_v2_5", "eleven_turbo_v2_5")),
        ),
        rank=1,
    ),
    Part(
        "tts",
        "cartesia",
        "Cartesia",
        "bargein.vendors.cartesia.speech",
        "CartesiaSpeech",
        CARTESIA,
        (),
        "cascade",
        (Option("voice", "Voice's id"), Option("model", "Model", "sonic-3", ("sonic-3", "sonic-2")), _LANGUAGE),
        rank=2,
    ),
    Part(
        "tts",
        "openai-speech",
        "OpenAI speech",
        "bargein.vendors.openai.speech",
        "OpenAISpeech",
        OPENAI,
        ("openai",),
        "openai",
        (
            Option("voice", "Voice", "alloy", ("alloy", "ash", "coral", "nova", "sage", "verse")),
            Option("model", "Model", "gpt-4o-mini-tts", ("gpt-4o-mini-tts", "tts-1")),
        ),
        rank=4,
    ),
    Part(
        "tts",
        "groq-speech",
        "Groq speech",
        "bargein.vendors.groq.speech",
        "GroqSpeech",
        GROQ,
        ("openai",),
        "openai",
        (
            Option("voice", "Voice", "hannah", ("hannah", "autumn", "diana", "austin", "daniel", "troy")),
            Option("model", "Model", "canopylabs/orpheus-v1-english", ("canopylabs/orpheus-v1-english",)),
        ),
        rank=5,
        languages=("en",),
    ),
    Part(
        "realtime",
        "openai-realtime",
        "OpenAI Realtime",
        "bargein.vendors.openai.realtime.model",
        "OpenAIRealtime",
        OPENAI,
        ("openai", "websockets"),
        "openai",
        (
            Option("model", "Model", "gpt-realtime-2.1", ("gpt-realtime-2.1", "gpt-realtime-2.1-mini")),
            Option("voice", "Voice", "marin", ("marin", "cedar", "alloy", "ash", "coral", "sage", "verse")),
            Option(
                "turn_detection",
                "Who finds the turns",
                "server_vad",
                ("server_vad", "semantic_vad", "ours", "vendor"),
            ),
            Option("transcriber", "Who writes down the user's words", "gpt-realtime-whisper"),
            Option("effort", "How much it thinks", None, ("minimal", "low", "medium", "high")),
        ),
        rank=1,
    ),
    Part(
        "tts",
        "mistral",
        "Mistral speech",
        "bargein.vendors.mistral.speech",
        "MistralSpeech",
        MISTRAL,
        (),
        "cascade",
        (Option("voice", "Voice's id"), Option("model", "Model", "voxtral-mini-tts-3-0", ("voxtral-mini-tts-3-0",))),
    ),
    Part(
        "tts",
        "espeak",
        "espeak-ng, on this machine",
        "bargein.vendors.local.espeak",
        "EspeakTTS",
        packages=("espeakng_loader",),
        extra="espeak",
        options=(
            Option("language", "Language", "en-us", ("en-us", "en-gb", "de", "es", "fr", "it")),
            Option("variant", "Timbre", "+f3", ("+f3", "+f2", "+m1", "+m3")),
            Option("words_per_minute", "Words a minute", 165, kind="number", least=80, most=450),
        ),
        rank=6,
    ),
)
