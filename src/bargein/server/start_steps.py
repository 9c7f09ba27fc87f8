"""The logger that names each step of a server's start, for people who wait for it: `bargein demo` shows them."""

from __future__ import annotations

import logging

steps = logging.getLogger("bargein.start")
