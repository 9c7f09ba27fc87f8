"""Audio as numbers: frames, companding, resampling, levels, voice activity, word times."""
