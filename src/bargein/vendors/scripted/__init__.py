"""The guide: a scripted companion, no language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import Part, Vendor
from bargein.vendors.scripted.guide_words import GREETING, INSTRUCTIONS

if TYPE_CHECKING:
    from bargein.vendors.scripted.guide import Guide

__all__ = ["VENDOR", "Guide"]

__getattr__ = short_names(__name__, {"Guide": "bargein.vendors.scripted.guide:Guide"})

VENDOR = Vendor(
    name="scripted",
    title="Scripted",
    parts=(
        Part(
            kind="llm",
            name="guide",
            title="The guide: a script, no language model",
            factory="bargein.vendors.scripted.guide:Guide",
            languages=("en",),
            scripted=True,
            instructions=INSTRUCTIONS,
            greeting=GREETING,
        ),
    ),
)
