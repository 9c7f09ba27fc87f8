"""The result of a run as one HTML file: verdict, measures, plots, and each failure as audio."""

from bargein_bench.report.page import MOST_BYTES, page, write
from bargein_bench.report.peers import PEERS, PeerResult
from bargein_bench.report.tradeoff import Point, point

__all__ = ["MOST_BYTES", "PEERS", "PeerResult", "Point", "page", "point", "write"]
