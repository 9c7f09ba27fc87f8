"""What a run found, as one HTML file that needs nothing else: verdict, measures, plots, each failure to be heard."""

from bargein.bench.report.page import MOST_BYTES, page, write
from bargein.bench.report.peers import PEERS, Peer
from bargein.bench.report.tradeoff import Point, point

__all__ = ["MOST_BYTES", "PEERS", "Peer", "Point", "page", "point", "write"]
