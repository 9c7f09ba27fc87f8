"""What others measured: the tau-voice leaderboard, as published and read in November 2026."""

from __future__ import annotations

from dataclasses import dataclass

NOTE = (
    "Published rows: tau-voice, 278 simulated calls each, with accents and noise. Its clock ticks every 200 ms, so "
    "that its latencies are quantised, and its scenes are not ours: compare places, not digits."
)
# The empty corner: no published agent stops so soon and lets people say “mm-hmm”.
CORNER_L_Y, CORNER_S_BC = 0.35, 0.90
AIM = {"L_Y": CORNER_L_Y, "R_Y": 0.99, "S_BC": CORNER_S_BC, "S_VT": 0.90, "S_ND": 0.75}


@dataclass(frozen=True, slots=True)
class PeerResult:
    """A published row."""

    name: str
    l_y: float
    """Seconds to yield."""
    r_y: float
    """Share of interruptions that were yielded to, 0..1."""
    s_bc: float
    """Share of backchannels that were rightly ignored, 0..1."""
    s_vt: float
    """Share of vocal noises that were rightly ignored, 0..1."""
    s_nd: float
    """Share of speech to others that was rightly ignored, 0..1."""
    yields: int
    """Number of yields behind l_y."""

    @property
    def shares(self) -> tuple[float, float, float, float]:
        return self.r_y, self.s_bc, self.s_vt, self.s_nd


PEERS = (
    PeerResult("GPT-Realtime 1.0", 0.414, 0.998, 0.044, 0.052, 0.130, 2064),
    PeerResult("GPT-Realtime 1.5", 0.419, 1.000, 0.019, 0.053, 0.097, 3171),
    PeerResult("GPT-Realtime 2", 0.607, 0.998, 0.011, 0.113, 0.203, 2223),
    PeerResult("Gemini 3.1 Flash Live", 0.822, 0.522, 0.897, 0.513, 0.270, 2253),
    PeerResult("livekit-cascaded", 0.870, 0.988, 0.667, 0.489, 0.577, 3891),
    PeerResult("Qwen3.5-Omni+ Realtime", 0.933, 0.902, 0.840, 0.364, 0.145, 3575),
    PeerResult("Grok voice think fast 2.0", 0.937, 0.970, 0.472, 0.329, 0.277, 2267),
    PeerResult("Grok voice think fast 1.0", 1.374, 0.938, 0.662, 0.600, 0.284, 3396),
    PeerResult("Pine voice preview", 1.127, 0.455, 0.971, 0.532, 0.492, 3745),
)
