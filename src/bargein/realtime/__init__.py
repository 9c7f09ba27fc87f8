"""Speech-to-speech models: each satisfies contracts.SpeechModel, the seat of transcriber, mind and voice together."""
