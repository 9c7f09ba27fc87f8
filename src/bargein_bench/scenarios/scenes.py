"""The scenes: what the caller's side does, at which moment, and what a person would do in the agent's place.

A scene is data. `stage.Stage` makes the script of a call from it. The place in the call follows from how the agent
opens (`Opening`): an agent with a long greeting is interrupted in the greeting; another one is first asked for a long
reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bargein_bench.callers.caller_audio import Echo, SayLine, Step
from bargein_bench.results import Want

When = Literal["reply", "early", "greeting", "thinking", "last_word", "turn"]

MOST_SPEECH_MS = 2_200.0
LONG_GREETING_MS = 6_000.0  # a greeting that may be interrupted like any reply


@dataclass(frozen=True, slots=True)
class Scene:
    """What the caller's side does in a call."""

    name: str
    want: Want
    """What a person would do."""
    what: str
    """The scene in words."""
    kind: str | None = None
    """Kind of its sound. None: no sound."""
    when: When = "reply"
    """"turn": it is the user's turn, and the agent is silent."""
    bed: str | None = None
    """Kind of a noise throughout the call, also before the agent speaks."""
    snr_db: float | None = None
    """Level of the speech above that noise. None: the noise's own level, as in the scene of its kind."""
    echoes: tuple[tuple[float, float], ...] = ()
    """Echoes of the agent, as (ms, dB); one of them is taken."""
    twice: bool = False
    """Interrupt twice."""
    pause_ms: tuple[float, float] | None = None
    """Length of a pause in the middle of the sentence, drawn for each call."""
    sends_silence: bool = True
    """Whether audio is sent where the caller's side is quiet."""


LOUD_ECHOES = ((60.0, -15.0), (150.0, -20.0), (300.0, -15.0))
PAUSES_MS = (500.0, 2_000.0)
SOFT_ECHOES = ((80.0, -30.0), (250.0, -35.0))
SCENES: tuple[Scene, ...] = (
    Scene("interruption", "yield", "a clear interruption in a reply", "interruption"),
    Scene("command", "yield", 'a short command, such as "stop" or "wait"', "command"),
    Scene("greeting", "yield", "an interruption of the greeting", "interruption", "greeting"),
    Scene("early", "yield", "an interruption in the first 350 ms of a reply", "interruption", "early"),
    Scene("thinking", "yield", "more words while the agent thinks", "interruption", "thinking"),
    Scene("last word", "yield", "an interruption at the last word", "interruption", "last_word"),
    Scene("twice", "yield", "two interruptions in quick succession", "interruption", twice=True),
    Scene("hesitation", "yield", "an interruption with a hesitation in it", "hesitation"),
    Scene(
        "noise 20 dB", "yield", "an interruption over traffic, 20 dB below it", "interruption", bed="traffic", snr_db=20
    ),
    Scene(
        "noise 10 dB", "yield", "an interruption over traffic, 10 dB below it", "interruption", bed="traffic", snr_db=10
    ),
    Scene("noise 0 dB", "yield", "an interruption over traffic as loud as it", "interruption", bed="traffic", snr_db=0),
    Scene("echo and speech", "yield", "an interruption over the agent's own echo", "interruption", echoes=LOUD_ECHOES),
    Scene("backchannel", "ignore", '"mm-hmm", "yeah", "right"', "backchannel"),
    Scene("cough", "ignore", "a cough", "cough"),
    Scene("sneeze", "ignore", "a sneeze", "sneeze"),
    Scene("door", "ignore", "a door that slams", "door"),
    Scene("keyboard", "ignore", "typing on a keyboard", "keyboard"),
    Scene("traffic", "ignore", "traffic, rain, a helicopter", "traffic"),
    Scene("music", "ignore", "music in the room", "music"),
    Scene("television", "ignore", "other people's talk, some 15 dB below the caller's", "television"),
    Scene("loud echo", "ignore", "the agent's own echo, 15 to 20 dB below it", echoes=LOUD_ECHOES),
    Scene("soft echo", "ignore", "the agent's own echo, 30 to 35 dB below it", echoes=SOFT_ECHOES),
    Scene("silence", "ignore", "nothing at all", None),
    Scene("wait", "yield", '"wait", "hold on" or "hello", over a telephone', "wait"),
    Scene("over television", "yield", "an interruption; a television was on before", "interruption", bed="television"),
    Scene("muted speech", "yield", "an interruption; no audio comes in between", "interruption", sends_silence=False),
    Scene("laugh", "ignore", "a laugh", "laugh"),
    Scene("line noise", "ignore", "clicks, static, breath, beeps and buzzes of a telephone line", "line noise"),
    Scene("noise", "ignore", "a dog, a baby, a bell, and other sounds", "noise"),
    Scene("television before", "ignore", "a television that was on before the agent spoke", bed="television"),
    Scene("muted", "ignore", "no audio comes from the caller's side", sends_silence=False),
    Scene("pause", "yield", "a pause of 0.5 to 2 s in the middle of a sentence", "pause", "turn", pause_ms=PAUSES_MS),
    Scene("whole", "yield", "a turn that is surely over at its end", "whole", "turn"),
)


@dataclass(frozen=True, slots=True)
class Opening:
    """How an agent begins a call, from calls without an interruption. Times in ms."""

    greets_ms: float | None
    """From the begin of the call to the agent's first audio. None: the agent waits for the caller."""
    greeting_ms: float | None
    """Length of the greeting. None: longer than those calls."""
    answer_ms: float | None = None
    """From the end of a request to the first audio of the reply."""
    reply_ms: float | None = None
    """Length of that reply. None: longer than those calls."""

    @property
    def asks(self) -> bool:
        """Whether the agent must be asked before it speaks at length."""
        return self.greets_ms is None or (self.greeting_ms is not None and self.greeting_ms < LONG_GREETING_MS)

    def ask_at_ms(self) -> float:
        """When the request is spoken: half a second after the greeting, or soon."""
        return 800.0 if self.greets_ms is None else self.greets_ms + (self.greeting_ms or 0.0) + 500.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A step that is judged."""

    step: SayLine
    want: Want
    sound: str
    """What the sound is, for people."""
    in_reply: bool = True
    """Whether the agent must speak at the onset."""
    scene: str | None = None
    """The scene, in a script of several. None: the script's."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The script of one call."""

    scene: str
    steps: tuple[Step, ...]
    scored: tuple[Scored, ...]
    question: SayLine | None
    """The last step, a plain question. None: there is no clip for one."""
    lasts_ms: float
    echo: Echo | None = None


class NotPlayed(Exception):
    """A scene cannot be played with this agent, or with these clips: the text says why."""


def chosen(names: Sequence[str]) -> tuple[Scene, ...]:
    """The scenes of these names, or all scenes. Raises KeyError with an unknown name."""
    known = {scene.name: scene for scene in SCENES}
    return tuple(known[name] for name in names) if names else SCENES
