"""What the page does with the agent's packets: their place, their order, what is heard for lost ones. At moved time."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.web.kit import Pages, pages

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

LAST, HELD = 1, 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Pages]:
    async with pages() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(opened: Pages) -> AsyncIterator[Page]:
    async with opened.page("?transport=websocket") as page:
        await page.evaluate(LOAD)
        yield page


LOAD = """async () => {
  const load = (name) => import(new URL(`web/client/${name}.js`, location));
  const names = ["webrtc/packet", "webrtc/order", "webrtc/signals", "webrtc/conceal", "webrtc/half", "pings"];
  const modules = await Promise.all(names.map(load));
  Object.assign(window, ...modules);
  // Steps: [ms, what, ...]. Gives what left, in order, each with the time.
  window.ordered = (steps) => {
    let now = 0, wake = Infinity;
    const left = [];
    const order = new Order({
      give: (p) => left.push([now, "give", p.reply, p.sequence]),
      lose: (gap) => left.push([now, "lose", gap.reply, gap.sample, gap.samples, gap.last]),
      wake: (ms) => (wake = now + ms),
      now: () => now,
    });
    const until = (at) => {
      while (wake <= at) {
        now = wake;
        wake = Infinity;
        order.due();
      }
      now = at;
    };
    for (const [at, what, ...rest] of steps) {
      until(at);
      const [reply, n, last = false] = rest;
      if (what === "packet") order.take({ reply, sequence: n, sample: n * 480, samples: 480, last });
      else if (what === "playing") order.playing({ reply, played: n });
      else if (what === "cut") order.cut(reply);
      else if (what === "spread") order.spread = reply;
    }
    until(now + 5000);
    return { left, counts: order.counts };
  };
}"""


async def ordered(shown: Page, *steps: tuple[object, ...]) -> tuple[list[list[Any]], dict[str, int]]:
    made = await shown.evaluate("(steps) => ordered(steps)", [list(step) for step in steps])
    return made["left"], made["counts"]


def packet(
    reply: int, sequence: int, sample: int, *, samples: int = 480, flags: int = 0, frame: bytes = b"opus"
) -> bytes:
    return b"\xf3\x41\x10" + frame + struct.pack("<BBHIII", 2, flags, samples, reply, sequence, sample)


async def unpacked(shown: Page, data: bytes) -> dict[str, Any] | None:
    made: dict[str, Any] | None = await shown.evaluate(
        "(data) => { const p = unpack(new Uint8Array(data).buffer); return p && { ...p, opus: [...p.opus] }; }",
        list(data),
    )
    return made


async def test_a_packet_says_where_its_samples_belong_and_gives_the_frame_without_the_padding(shown: Page) -> None:
    made = await unpacked(shown, packet(7, 300, 144_000, samples=123, flags=LAST))
    assert made == {
        "reply": 7,
        "sequence": 300,
        "sample": 144_000,
        "samples": 123,
        "last": True,
        "held": False,
        "opus": [0xF0, *b"opus"],
    }
    held = await unpacked(shown, packet(7, 301, 144_123, samples=0, flags=HELD, frame=b""))
    assert held is not None
    assert (held["held"], held["last"], held["samples"], held["opus"]) == (True, False, 0, [0xF0])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xf3",
        b"\xf0opus",
        b"\xf3\x41\x10" + bytes(15),
        b"\xf3\x41\x10opus" + bytes(16),
        b"\xf3\x42\x10opus" + b"\x02" + bytes(15),
        b"\xf3\xc1\x10opus" + b"\x02" + bytes(15),
        b"\xf3\x01opus" + b"\x02" + bytes(15),
        b"\xf3\x41\x11opus" + b"\x02" + bytes(15),
    ],
)
async def test_a_packet_of_another_kind_has_no_place(shown: Page, data: bytes) -> None:
    assert await unpacked(shown, data) is None


async def test_packets_leave_in_order_and_each_once(shown: Page) -> None:
    left, counts = await ordered(
        shown,
        (0, "packet", 1, 0),
        (5, "packet", 1, 2),
        (9, "packet", 1, 2),
        (30, "packet", 1, 1),
        (31, "packet", 1, 0),
        (50, "packet", 1, 3, True),
    )
    assert left == [[0, "give", 1, 0], [30, "give", 1, 1], [30, "give", 1, 2], [50, "give", 1, 3]]
    assert counts == {"came": 4, "lost": 0, "late": 0, "twice": 2, "reordered": 1}


async def test_a_missing_packet_is_waited_for_until_the_loudspeaker_needs_it(shown: Page) -> None:
    left, counts = await ordered(
        shown,
        (0, "packet", 1, 0),
        (1, "playing", 1, 0),
        (20, "packet", 1, 2),
        (40, "packet", 1, 3, True),
        (41, "packet", 1, 1),
    )
    # Sample 480 is needed at 21 ms, the decoder takes its time before: at 20 ms nothing is left to wait.
    assert left == [[0, "give", 1, 0], [20, "lose", 1, 480, 480, False], [20, "give", 1, 2], [40, "give", 1, 3]]
    assert (counts["lost"], counts["late"]) == (1, 1)


async def test_a_reply_that_is_held_waits_longer(shown: Page) -> None:
    left, counts = await ordered(
        shown,
        (0, "packet", 1, 0),
        (1, "playing", 1, 0),
        (2, "packet", 1, 4, True),
        *((t, "playing", 1, 0) for t in range(4, 200, 4)),
        *((200, "packet", 1, n) for n in (3, 2, 1)),
    )
    assert [one[1:] for one in left] == [["give", 1, n] for n in range(5)]
    assert counts["lost"] == 0


async def test_the_first_packet_of_a_reply_is_waited_for_a_little(shown: Page) -> None:
    left, _ = await ordered(shown, (0, "packet", 1, 1), (30, "packet", 1, 0), (31, "packet", 1, 2, True))
    assert left == [[30, "give", 1, 0], [30, "give", 1, 1], [31, "give", 1, 2]]
    left, counts = await ordered(shown, (0, "packet", 1, 1, True))
    assert left == [[60, "lose", 1, 0, 480, False], [60, "give", 1, 1]]
    assert counts["lost"] == 1


async def test_on_an_uneven_network_a_reply_begins_later_and_no_packet_of_its_beginning_is_given_up(
    shown: Page,
) -> None:
    left, _ = await ordered(
        shown, (0, "spread", 45), (10, "packet", 1, 0), (25, "packet", 1, 2, True), (52, "packet", 1, 1)
    )
    assert left == [[55, "give", 1, 0], [55, "give", 1, 1], [55, "give", 1, 2]]
    left, counts = await ordered(shown, (0, "spread", 45), (10, "packet", 1, 0, True), (70, "packet", 2, 0, True))
    assert left == [[55, "give", 1, 0], [115, "give", 2, 0]]
    assert counts["lost"] == 0


async def test_each_late_packet_is_counted_as_late_and_as_nothing_else(shown: Page) -> None:
    _, counts = await ordered(
        shown,
        (0, "packet", 1, 0),
        (1, "playing", 1, 0),
        (90, "packet", 1, 2),
        (91, "packet", 1, 4, True),
        (92, "packet", 1, 1),
        (93, "packet", 1, 3),
        (94, "packet", 1, 3),
    )
    assert counts == {"came": 3, "lost": 2, "late": 2, "twice": 1, "reordered": 0}


async def test_a_reply_whose_end_is_lost_ends_when_another_begins(shown: Page) -> None:
    left, counts = await ordered(
        shown, (0, "packet", 1, 0), (1, "playing", 1, 0), (60, "packet", 2, 0), (61, "packet", 2, 1, True)
    )
    assert left == [
        [0, "give", 1, 0],
        [60, "lose", 1, 480, 0, True],
        [60, "give", 2, 0],
        [61, "give", 2, 1],
    ]
    assert counts["lost"] == 1


async def test_no_packet_of_a_reply_that_was_cut_leaves(shown: Page) -> None:
    left, _ = await ordered(
        shown, (0, "packet", 1, 0), (1, "packet", 2, 0), (2, "cut", 2), (3, "packet", 2, 1), (4, "packet", 3, 0)
    )
    assert left == [[0, "give", 1, 0], [4, "give", 3, 0]]


async def test_packets_beyond_what_a_loudspeaker_takes_are_not_kept(shown: Page) -> None:
    left, counts = await ordered(shown, *((0, "packet", 1, n) for n in range(1, 400)))
    assert counts["came"] == 200
    assert len([one for one in left if one[1] == "give"]) == 200


async def test_the_newest_packet_says_whether_the_reply_is_held(shown: Page) -> None:
    told = await shown.evaluate("""() => {
      const told = [];
      const signals = new Signals((type, reply) => told.push([type, reply]));
      const take = (number, reply, held) => signals.take(number & 0xffff, { reply, held });
      take(65534, 1, false);
      take(65536, 1, true);   // 0: the numbers begin again
      take(65537, 1, true);
      take(65535, 1, false);  // late
      take(65539, 1, false);
      take(65538, 1, true);   // late
      take(65540, 1, false);
      take(65541, 2, true);
      take(65542, 3, false);  // another reply: there is none to go on with
      return told;
    }""")
    assert told == [["hold", 1], ["resume", 1], ["hold", 2]]


async def test_a_lost_frame_is_a_fading_echo_of_the_last_one_then_silence(shown: Page) -> None:
    made = await shown.evaluate("""() => {
      const conceal = new Conceal();
      const first = conceal.heard(new Float32Array(480).fill(0.5));
      const [gap, more] = [conceal.lost(480), conceal.lost(480)];
      const after = conceal.heard(new Float32Array(480).fill(0.5));
      return [[...first], [...gap], [...more], [...after]];
    }""")
    first, gap, more, after = made
    assert first == [0.5] * 480
    assert gap[0] == 0.5
    assert all(a >= b for a, b in pairwise(gap))
    assert 0 <= gap[-1] < 0.01
    assert set(more) == {0}
    assert 0 < after[0] < 0.02
    assert after[100:] == [0.5] * 380


async def test_half_the_rate_keeps_speech_and_drops_what_would_fold(shown: Page) -> None:
    levels = await shown.evaluate("""() => [1000, 8000, 20000].map((hz) => {
      const half = new Half();
      let out = [];
      for (let n = 0; n < 10; n++) {
        const tone = Float32Array.from({ length: 960 }, (_, i) => Math.sin((2 * Math.PI * hz * (n * 960 + i)) / 48000));
        out = [...out, ...half.take(tone)];
      }
      return [out.length, Math.sqrt(out.slice(480).reduce((sum, x) => sum + x * x, 0) / (out.length - 480))];
    })""")
    assert [n for n, _ in levels] == [4_800] * 3
    assert [round(level / 0.7071, 1) for _, level in levels] == [1, 1, 0]


async def test_a_network_whose_pongs_come_late_again_and_again_is_lossy(shown: Page) -> None:
    lossy = (
        "(times) => { const pings = new Pings({ send() {}, everyMs: 1e6 }); pings.times = times; return pings.lossy; }"
    )
    assert not await shown.evaluate(lossy, [])
    assert not await shown.evaluate(lossy, [40] * 17 + [300] * 3)
    assert not await shown.evaluate(lossy, [200, 210, 190, 240] * 5), "far away is not lossy"
    assert await shown.evaluate(lossy, [40] * 16 + [300] * 4)
