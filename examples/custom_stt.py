"""An STT of your own: an object that reads pieces of audio (`read`), or one that listens as the user speaks (`open`).

python examples/custom_stt.py
"""

import numpy as np

from bargein import Agent, serve
from bargein.audio.pcm import Pcm
from bargein.protocols import BatchTranscript
from bargein.vendors import local, scripted


class LoudnessSTT:
    """A BatchSTT by shape. In place of words it tells how loud and how long the user was."""

    name = "loudness"
    rate = 16_000  # Hz of the audio that it is given

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        """A whole turn, or the beginning of one for a quick verdict. Raise VendorLost when it cannot be read."""
        level = float(np.abs(pcm.samples.astype(np.float32)).mean()) if len(pcm) else 0.0
        return BatchTranscript(f"{pcm.ms / 1000:.1f} seconds of {'loud' if level > 2000 else 'quiet'} speech")

    async def aclose(self) -> None:
        """Called when the server ends: nothing is open here."""


agent = Agent(
    stt=LoudnessSTT(),
    llm=scripted.Guide(),
    tts=local.Espeak(),
    greeting="Say something, loudly or softly.",
    scripted=True,
)

if __name__ == "__main__":
    serve(agent)
