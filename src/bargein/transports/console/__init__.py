"""A call by the microphone and the loudspeaker of this machine, or by WAV files in their place."""
