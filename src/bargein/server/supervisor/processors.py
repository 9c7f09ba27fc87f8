"""How many processors this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/cpu.max")  # a container's share, as cgroup v2 tells it: "quota period", or "max period"


def processors(quota: Path = CGROUP) -> int:
    """Whole ones, at least one: those that the system lets us run on, within the container's share."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        return max(1, min(allowed, int(most) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):  # no container, or no bound
        return allowed
