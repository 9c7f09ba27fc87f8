"""One caller by SIP: calls any SIP agent, speaks a script, and keeps what it hears."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from bargein.clock import Clock, MonotonicClock
from bargein.errors import ProtocolError, UsageError, VendorLost, VendorRefused
from bargein.sip.addresses import NameAddr, SipAddress, SipUri
from bargein.sip.errors import SipRefusal, SipRefused, SipTimeout
from bargein.sip.incoming_call import IncomingCall
from bargein.sip.session_description import AudioDescription, AudioFormat, agree, write_answer, write_offer
from bargein.sip.settings import SipAdmission, SipCredentials
from bargein.sip.user_agent import SipUserAgent
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.result import Result
from bargein_bench.callers.sip_phone import KEY_PAYLOAD, RtpTelephone, SipPhone

RING_S = 30.0
FORMATS = (AudioFormat("PCMU", 8000, 0), AudioFormat("telephone-event", 8000, KEY_PAYLOAD, parameters="0-16"))
ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # the system finds the way to the agent


class _TakesNoCalls:
    """A SipHandler by shape."""

    def incoming(self, call: IncomingCall) -> None:
        call.reject(480)


@asynccontextmanager
async def calling_agent(uri: SipUri, clock: Clock | None = None) -> AsyncIterator[SipUserAgent]:
    """A user agent that calls this address, for any number of calls."""
    host = ANY[6 if ":" in uri.host else 4]
    listen = SipAddress(host, 0, "udp" if uri.address.transport == "udp" else "tcp")
    admission = SipAdmission(admits=lambda _: False)
    async with SipUserAgent((listen,), _TakesNoCalls(), clock or MonotonicClock(), admission=admission) as agent:
        yield agent


def sip_uri(text: str) -> SipUri:
    """Raises UsageError."""
    try:
        return SipUri.read(text)
    except ProtocolError:
        raise UsageError(f"{text[:80]!r} is no SIP address", advice="Write it as sip:user@host:port") from None


def credentials_of(key: str) -> SipCredentials | None:
    """key: "user:password"; "": none. Raises UsageError."""
    if not key:
        return None
    user, colon, password = key.partition(":")
    if not colon or not user:
        raise UsageError("The key is no user:password", advice="Give --key user:password of the SIP account")
    return SipCredentials(user, password)


class SipCaller:
    """Makes one call.

    agent: that of several calls; None: the call has one of its own. lasts_ms: length of the call, unless one side ends
    it before. way_ms: delay of the network, one way. keep: keep the caller's audio for the record.
    """

    def __init__(
        self,
        uri: SipUri,
        steps: Sequence[Step],
        lasts_ms: float,
        *,
        agent: SipUserAgent | None = None,
        credentials: SipCredentials | None = None,
        headers: Mapping[str, str] | None = None,
        caller: NameAddr | None = None,
        echo: Echo | None = None,
        way_ms: float = 0.0,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
    ) -> None:
        self._uri, self._agent, self._credentials, self._caller = uri, agent, credentials, caller
        self._headers = dict(headers or {})
        self.telephone = RtpTelephone(lasts_ms + 2000)
        self._line = CallerLine(
            steps,
            lasts_ms,
            echo=echo,
            way_ms=way_ms,
            seed=seed,
            clock=clock,
            keep=keep,
            telephone=self.telephone,
        )
        self._session = secrets.randbits(31)
        self.phone = SipPhone(self._line, self.telephone)

    @property
    def result(self) -> Result:
        return self._line.result

    async def run(self) -> Result:
        """Make the call, to its end.

        Raises VendorRefused when it is refused, VendorLost when there is no answer.
        """
        if self._agent is not None:
            return await self._run(self._agent)
        async with calling_agent(self._uri, self._line.clock) as agent:
            return await self._run(agent)

    async def _run(self, agent: SipUserAgent) -> Result:
        line, result = self._line, self._line.result
        began = line.clock.now_ms()
        try:
            host = await agent.local_host(self._uri)
            offered = AudioDescription(host, await self.phone.open(host), FORMATS)
            offer = write_offer(offered, session=self._session, version=1)
            dialog = await agent.invite(
                self._uri,
                offer,
                from_=self._caller,
                credentials=self._credentials,
                headers=self._headers,
                within_s=RING_S,
            )
        except SipRefused as error:
            self.phone.close()
            raise VendorRefused(error.message, advice="Look at the address, and at --key user:password") from None
        except (SipTimeout, ProtocolError) as error:
            self.phone.close()
            raise VendorLost(error.message, advice="Start the agent first") from None
        except BaseException:
            self.phone.close()
            raise
        result.call_sid = result.stream = dialog.id

        def over(reason: str) -> None:
            result.closed_by = "us" if reason == "closed" else f"the server, {reason}"
            line.over.set()

        def reinvited(description: AudioDescription | None, sdp: bytes) -> bytes:
            if description is None:
                return offer
            formats = agree(description, FORMATS)
            if not formats:
                raise SipRefusal(488, "Not Acceptable Here")
            self._send_to(description)
            return write_answer(sdp, offered, session=self._session, version=2)

        dialog.on_over, dialog.on_reinvite = over, reinvited
        try:
            if dialog.offer is None:
                raise VendorLost("The agent's answer describes no audio", advice="Look at what answers there")
            self._send_to(dialog.offer)
            line.begin()
            result.connected_ms = result.began_ms - began
            line.stream = self.phone
            await line.speak()
        finally:
            result.lasted = line.now if result.began_ms else 0
            ended_by_them = dialog.over is not None
            await dialog.bye()
            self.phone.close()
            if not ended_by_them:
                result.closed_by = "us"
        return result

    def _send_to(self, description: AudioDescription) -> None:
        keys = next((each.payload for each in description.formats if each.name == "telephone-event"), None)
        self.phone.send_to(description.host, description.port, keys)
