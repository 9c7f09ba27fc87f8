"""sipp, a load generator that is not ours: many calls at once, and a wrong password."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.baresip import free_udp_port
from tests.server.sip.kit import SipWorld, sip_world

WRONG_PASSWORD = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="a wrong password">
  <send retrans="500"><![CDATA[
INVITE sip:guide@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:anna@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:guide@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:anna@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="401" auth="true"></recv>
  <send><![CDATA[
ACK sip:guide@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:anna@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:guide@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <send retrans="500"><![CDATA[
INVITE sip:guide@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:anna@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:guide@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 2 INVITE
Contact: <sip:anna@[local_ip]:[local_port]>
[authentication username=anna password=PASSWORD]
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="STATUS"></recv>
  <send><![CDATA[
ACK sip:guide@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:anna@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:guide@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>
"""


async def sipp(here: SipWorld, folder: Path, *words: str) -> int:
    """Its exit code: 0 where every call went as its scenario says."""
    process = await asyncio.create_subprocess_exec(
        *("sipp", f"{here.uri.host}:{here.uri.port}", "-i", "127.0.0.1", "-p", str(free_udp_port()), "-nostdin"),
        *words,
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_twenty_calls_at_once(tmp_path: Path) -> None:
    async with sip_world(max_calls=30) as here:
        most = 0
        here.here.hub.calls.is_late = lambda: False  # on a machine that does other work, too

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, len(here.here.hub.calls.ids))
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        words = ["-sn", "uac", "-s", "guide", "-m", "20", "-r", "20", "-rp", "200", "-d", "900"]
        code = await sipp(here, tmp_path, *words)
        watching.cancel()
        await asyncio.wait([watching])
        assert code == 0
        assert most == 20
        await here.gone()
        assert len(here.here.hub.calls.listing()["finished"]) == 20
        assert {each["over"] for each in here.here.hub.calls.listing()["finished"]} == {"bye"}


async def test_a_wrong_password_takes_no_place_and_no_port(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.xml"
    scenario.write_text(WRONG_PASSWORD.replace("PASSWORD", "a-wrong-one").replace("STATUS", "401"))
    async with sip_world(sip_users="anna:long-enough") as here:
        assert await sipp(here, tmp_path, "-sf", str(scenario), "-m", "1") == 0
        assert here.here.hub.calls.taken == 0
        assert here.door.ports_taken == 0
        assert here.here.hub.calls.listing()["finished"] == []
