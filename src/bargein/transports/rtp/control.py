"""What RTCP tells of the network: the round trip, the losses, and from it when a packet of ours is heard."""

from __future__ import annotations

from bargein.transports.rtp.incoming import IncomingRtp
from bargein.transports.rtp.limits import RtpLimits
from bargein.transports.rtp.pacer import RtpPacer
from bargein.transports.rtp.rtcp import (
    JitterBufferReport,
    ReceptionReport,
    SenderReport,
    middle,
    read_reports,
    write_report,
)

NAME = "bargein"
MOST_RTT_MS = 10_000.0
SMOOTH = 0.25  # of a new round trip
REPORTS_S = 20  # of the far end, in a second, that are looked at
EPOCH_S = 3_900_000_000  # of our NTP times: any beginning will do, since only this side computes with them


class RtpControl:
    """far_buffer_ms: the far end's jitter buffer, until it tells."""

    def __init__(self, pacer: RtpPacer, audio: IncomingRtp, far_buffer_ms: float, limits: RtpLimits) -> None:
        self.rtt_ms: float | None = None
        """The round trip, smoothed. None: the far end has told nothing."""
        self.far_lost = 0
        """Packets of ours that the far end missed."""
        self._pacer = pacer
        self._audio = audio
        self._far_buffer_ms = far_buffer_ms
        self._every_ms = limits.report_ms
        self._due_ms: float | None = None
        self._first_ms = limits.first_report_ms
        self._last_report = (0, 0.0)  # middle of the far end's newest NTP time, and when it came
        self._before = (0, 0)  # packets expected and lost, at our last report
        self._window = (0.0, 0)  # second, and reports that came in it

    @property
    def delay_ms(self) -> float:
        """From a packet's leaving to its sound."""
        return (self.rtt_ms or 0.0) / 2 + self._far_buffer_ms

    def facts(self) -> dict[str, float]:
        stats = self._audio.stats
        found = {
            "packets_in": float(stats.packets),
            "packets_lost": float(max(0, stats.lost)),
            "packets_late": float(stats.late),
            "packets_dropped": float(stats.dropped),
            "jitter_ms": round(stats.jitter * 1000 / self._pacer.codec.clock, 1),
            "packets_out": float(self._pacer.packets),
            "far_lost": float(self.far_lost),
        }
        return found if self.rtt_ms is None else found | {"rtt_ms": round(self.rtt_ms, 1)}

    def take(self, now_ms: float, data: bytes) -> None:
        """Read a packet of the far end."""
        second, count = self._window
        self._window = (now_ms, 1) if now_ms - second > 1000 else (second, count + 1)
        if self._window[1] > REPORTS_S:
            return
        for report in read_reports(data):
            if isinstance(report, SenderReport):
                self._last_report = (middle(report.ntp), now_ms)
            elif isinstance(report, ReceptionReport) and report.source == self._pacer.source:
                self.far_lost = max(0, report.lost)
                self._measure(now_ms, report)
            elif isinstance(report, JitterBufferReport) and report.source == self._pacer.source:
                self._far_buffer_ms = min(float(report.nominal_ms), 1000.0)

    def _measure(self, now_ms: float, report: ReceptionReport) -> None:
        if not report.last_report:
            return
        passed = (middle(_ntp(now_ms)) - report.last_report - report.delay) & 0xFFFFFFFF
        rtt_ms = passed * 1000 / 65_536
        if rtt_ms <= MOST_RTT_MS:
            self.rtt_ms = rtt_ms if self.rtt_ms is None else self.rtt_ms + SMOOTH * (rtt_ms - self.rtt_ms)

    def due(self, now_ms: float) -> bytes | None:
        """Our report, if it is time for one."""
        if self._due_ms is None:
            self._due_ms = now_ms + self._first_ms
        if now_ms < self._due_ms:
            return None
        self._due_ms = now_ms + self._every_ms
        return self._report(now_ms)

    def goodbye(self, now_ms: float) -> bytes:
        """Our last report."""
        return self._report(now_ms, goodbye=True)

    def _report(self, now_ms: float, *, goodbye: bool = False) -> bytes:
        pacer = self._pacer
        sent = SenderReport(pacer.source, _ntp(now_ms), pacer.stamp, pacer.packets, pacer.octets)
        return write_report(pacer.source, NAME, self._received(now_ms), sent, goodbye=goodbye)

    def _received(self, now_ms: float) -> ReceptionReport | None:
        audio = self._audio
        if not audio.stats.packets:
            return None
        expected, lost = audio.highest - audio.first + 1, max(0, audio.stats.lost)
        expected_now, lost_now = expected - self._before[0], lost - self._before[1]
        self._before = (expected, lost)
        fraction = min(255, max(0, 256 * lost_now // expected_now)) if expected_now > 0 else 0
        last, came_ms = self._last_report
        delay = int((now_ms - came_ms) * 65_536 / 1000) if last else 0
        jitter = int(audio.stats.jitter)
        return ReceptionReport(audio.source, fraction, min(lost, 0x7FFFFF), audio.highest, jitter, last, delay)


def _ntp(now_ms: float) -> int:
    return int((EPOCH_S + now_ms / 1000) * (1 << 32))
