"""Settings of a Gemini Live model, and the setup that asks Google for them, made of the SDK's own types."""

from __future__ import annotations

from dataclasses import dataclass

from google.genai import types

from bargein.errors import UsageError
from bargein.protocols import SessionConfig
from bargein.vendors.common.openai_realtime.prompts import instructions
from bargein.vendors.google.live.contents import Json

MODEL = "gemini-3.8-live"
VOICE = "Kore"
KEPT_SHARE = 0.6  # of `max_tokens`, what is left after a compression: each one costs the vendor's cache


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """One model's settings. Raises UsageError for a value out of range."""

    model: str = MODEL
    voice: str = VOICE
    temperature: float | None = None
    """0 to 2. None: the vendor's own."""
    max_output_tokens: int | None = None
    """Of one reply, from 1 on. None: no limit."""

    def __post_init__(self) -> None:
        if not self.model or not self.voice:
            raise UsageError("Gemini Live needs a model and a voice", advice=f"Leave both out for {MODEL} and {VOICE}")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise UsageError(f"temperature is {self.temperature}", advice="Give a number from 0 to 2")
        if self.max_output_tokens is not None and self.max_output_tokens < 1:
            raise UsageError(f"max_output_tokens is {self.max_output_tokens}", advice="Give 1 or more, or None")

    def setup(self, brief: SessionConfig, handle: str | None, *, history: bool) -> Json:
        """The first message of a connection. handle: of the session to go on with; history: a conversation follows.

        The floor owns the turns, so Google's own detection of activity is off. The start of an activity interrupts the
        model: it is sent after the verdict, and is the cut."""
        tools = [
            types.FunctionDeclaration(
                name=spec.name,
                description=spec.description,
                parameters_json_schema=dict(spec.parameters),
                behavior=types.Behavior.BLOCKING,
            )
            for spec in brief.tools
        ]
        most = brief.max_tokens
        setup = types.LiveClientSetup(
            model=self.model if self.model.startswith(("models/", "tunedModels/")) else f"models/{self.model}",
            generation_config=types.GenerationConfig(
                response_modalities=[types.Modality.AUDIO],
                temperature=self.temperature,
                max_output_tokens=self.max_output_tokens,
                speech_config=types.SpeechConfig(
                    voice_config=types.VoiceConfig(
                        prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name=self.voice)
                    )
                ),
            ),
            system_instruction=types.Content(parts=[types.Part(text=instructions(brief.instructions, brief.language))]),
            tools=[types.Tool(function_declarations=tools)] if tools else None,
            session_resumption=types.SessionResumptionConfig(handle=handle),
            context_window_compression=types.ContextWindowCompressionConfig(
                trigger_tokens=most,
                sliding_window=types.SlidingWindow(target_tokens=None if most is None else int(most * KEPT_SHARE)),
            ),
            input_audio_transcription=types.AudioTranscriptionConfig(),
            output_audio_transcription=types.AudioTranscriptionConfig(),
            history_config=types.HistoryConfig(initial_history_in_client_content=True) if history else None,
        )
        activity = types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True),
            activity_handling=types.ActivityHandling.START_OF_ACTIVITY_INTERRUPTS,
            turn_coverage=types.TurnCoverage.TURN_INCLUDES_ONLY_ACTIVITY,
        )
        made: Json = setup.model_dump(by_alias=True, exclude_none=True, mode="json")
        # The SDK's type of the setup lacks this one field; its own client adds the field by hand, too.
        made["realtimeInputConfig"] = activity.model_dump(by_alias=True, exclude_none=True, mode="json")
        return {"setup": made}
