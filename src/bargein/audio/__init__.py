"""Audio as numbers: PCM, mu-law, resampling, levels, voice activity, line echo, word times."""
