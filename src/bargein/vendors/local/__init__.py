"""Parts that run on this machine: espeak-ng, Moonshine, Voxtral's weights."""
