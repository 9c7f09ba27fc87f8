"""Bargein: voice agents that can be interrupted as a person can."""

import os

__version__ = "0.1.0"

# What a call multiplies is small, and there are many calls: a pool of BLAS threads would only spin beside them, for a
# third of all the processor time at 100 calls. It is read when numpy is first imported; whoever sets it has his way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
