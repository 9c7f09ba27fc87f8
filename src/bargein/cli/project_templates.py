"""The templates of `bargein new`: which there are, and the files that one makes.

Their texts are Jinja templates in src/bargein/templates/: `common/` of every project, and a folder for each template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import jinja2

from bargein import __version__


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """A variable that the project reads."""

    variable: str
    why: str


@dataclass(frozen=True, slots=True)
class ProjectTemplate:
    """One template."""

    name: str
    summary: str
    extras: tuple[str, ...] = ("embedded",)
    packages: tuple[str, ...] = ()
    """Other requirements."""
    keys: tuple[ProjectKey, ...] = ()
    offline: str = ""
    """Why it needs no key. "": it does."""
    framework: str = ""
    """What runs as the LLM, where that is another framework."""


_OPENAI = ProjectKey("OPENAI_API_KEY", "OpenAI: https://platform.openai.com/api-keys")
_DEEPGRAM = ProjectKey("DEEPGRAM_API_KEY", "Deepgram, the STT: https://console.deepgram.com")
_GROQ = ProjectKey("GROQ_API_KEY", "Groq, the LLM: https://console.groq.com/keys")
_SCRIPT = "without OPENAI_API_KEY a script answers in the model's place"
TEMPLATES: Mapping[str, ProjectTemplate] = {
    template.name: template
    for template in (
        ProjectTemplate(
            "simple",
            "An agent that needs no key: its LLM is a class of its own, speech is made and read on this machine",
            offline="its LLM is a class in agent.py, and speech is made and read on this machine",
        ),
        ProjectTemplate(
            "phone",
            "An agent on a telephone number of Twilio: a notice that nothing interrupts, keys, a transfer",
            keys=(
                _DEEPGRAM,
                _GROQ,
                ProjectKey("TWILIO_AUTH_TOKEN", "Twilio: the front page of https://console.twilio.com"),
                ProjectKey("TWILIO_ACCOUNT_SID", "the same page: AC..."),
            ),
        ),
        ProjectTemplate(
            "cascade",
            "An agent of streaming STT, LLM and TTS, with tools",
            keys=(_DEEPGRAM, _GROQ, ProjectKey("ELEVENLABS_API_KEY", "ElevenLabs, the TTS: https://elevenlabs.io")),
        ),
        ProjectTemplate("realtime", "An agent on a speech-to-speech model, OpenAI Realtime", keys=(_OPENAI,)),
        ProjectTemplate(
            "voxtral",
            "An agent on Mistral's Voxtral, an LLM that hears the caller itself",
            keys=(ProjectKey("MISTRAL_API_KEY", "Mistral: https://console.mistral.ai"),),
        ),
        ProjectTemplate(
            "langgraph",
            "An agent whose LLM is a graph of LangGraph",
            extras=("embedded", "langgraph"),
            packages=("langchain-openai",),
            keys=(_OPENAI,),
            offline=_SCRIPT,
            framework="a graph of LangGraph",
        ),
        ProjectTemplate(
            "pydantic-ai",
            "An agent whose LLM is an agent of Pydantic AI",
            extras=("embedded", "pydantic-ai"),
            packages=("pydantic-ai-slim[openai]",),
            keys=(_OPENAI,),
            offline=_SCRIPT,
            framework="an agent of Pydantic AI",
        ),
        ProjectTemplate(
            "openai-agents",
            "An agent whose LLM is an agent of OpenAI's Agents SDK",
            extras=("embedded", "openai-agents"),
            keys=(_OPENAI,),
            framework="an agent of OpenAI's Agents SDK",
        ),
    )
}
# Files whose names begin with a dot have none in the wheel: build tools leave dotfiles out.
_DOTTED = ("env.example", "gitignore", "dockerignore")


def project_files(template: ProjectTemplate, name: str) -> dict[str, str]:
    """The files of a new project, by name. name: the project's."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701  # Python, Markdown and the like: none of it is HTML
    )
    simulate = "" if template.offline or template.framework else " --simulate"
    facts = asdict(template) | {"name": name, "template": template.name, "version": __version__, "simulate": simulate}
    made: dict[str, str] = {}
    for folder in ("common", template.name):
        for source in files("bargein").joinpath("templates", folder).iterdir():
            file = Path(source.name).name.removesuffix(".jinja")
            made[f".{file}" if file in _DOTTED else file] = environment.from_string(source.read_text()).render(facts)
    return made
