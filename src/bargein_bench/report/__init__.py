"""What a run found, as one HTML file that needs nothing else: verdict, measures, plots, each failure to be heard."""

from bargein_bench.report.page import MOST_BYTES, page, write
from bargein_bench.report.peers import PEERS, PeerResult
from bargein_bench.report.tradeoff import Point, point

__all__ = ["MOST_BYTES", "PEERS", "PeerResult", "Point", "page", "point", "write"]
