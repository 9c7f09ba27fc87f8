"""The numbers of the README, measured on the machine at hand: `make bench`, or `python -m benchmarks`.

- `server`: many calls over loopback against a real server process; from the frame that holds the deciding VAD window
  to the hold message, and to the last audio on the wire.
- `browser`: a real Chromium with a spoken microphone; from the first speech sample to the last sample that sounds.
"""
