"""The floor inside Pipecat: hold, resume, cut and the words heard, for a pipeline that stays as it is.

Needs `pipecat-ai` 1.14 or later (`pip install 'bargein[pipecat]'`). docs/pipecat.md shows the ten lines.
"""

from bargein.integrations.floor import BargeinFloor
from bargein.integrations.pipecat.call import BargeinPipecat
from bargein.integrations.pipecat.heard_words import HeardWords
from bargein.integrations.pipecat.hold import BargeinHold
from bargein.integrations.pipecat.turn_start import BargeinTurnStart

__all__ = ["BargeinFloor", "BargeinHold", "BargeinPipecat", "BargeinTurnStart", "HeardWords"]
