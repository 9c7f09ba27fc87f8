"""The numbers of the README, measured on this machine: `make bench`, or `python -m benchmarks`.

phone     callers of ours against a server, over loopback, at the caller's ear cascade   streaming STT, LLM and TTS of
simulated vendors, whose own delays are subtracted realtime  a simulated speech model, by telephone and by WebRTC
voxtral   Voxtral in a process of its own server    many calls at once; from the frame with the deciding VAD window to
the hold, and to the last audio browser   a real Chromium with a spoken microphone; from the first speech sample to the
last audible sample
"""
