"""The user's side of a session: what a connection that breaks would take with it, told by hand. 1 sample is 1 ms."""

from __future__ import annotations

from bargein.vendors.common.openai_realtime.input_items import InputItems, InputRequest

READ = "conversation.item.input_audio_transcription"


class Server:
    """What it tells of the user's sound."""

    def __init__(self, *, reads: bool = True) -> None:
        self.side = InputItems(1_000, InputRequest(begins=False, ends=False, reads=reads, prefix_padding_ms=0))
        self.side.begin(0)

    def hears(self, item: str, begin: int, end: int) -> None:
        self.side.event({"type": "input_audio_buffer.speech_started", "item_id": item, "audio_start_ms": begin})
        self.side.event({"type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": end})
        self.commits(item)

    def commits(self, item: str) -> None:
        self.side.event({"type": "input_audio_buffer.committed", "item_id": item})

    def reads(self, item: str, text: str = "words") -> None:
        self.side.event({"type": f"{READ}.completed", "item_id": item, "transcript": text})

    def fails(self, item: str) -> None:
        self.side.event({"type": f"{READ}.failed", "item_id": item})


def test_a_turn_that_is_open_is_not_forgotten_when_older_words_arrive() -> None:
    server = Server()
    server.hears("item_1", 100, 900)
    server.side.turn(2_000)
    server.reads("item_1")
    assert server.side.unread == 2_000


def test_of_an_open_turn_what_is_in_items_and_read_need_not_be_said_again() -> None:
    server = Server()
    server.side.turn(2_000)
    server.hears("item_1", 2_100, 2_900)
    assert server.side.unread == 2_100
    server.reads("item_1")
    assert server.side.unread == 2_900
    server.side.closed()
    assert server.side.unread is None


def test_a_turn_of_our_own_committing_is_missing_until_it_is_read() -> None:
    server = Server()
    server.side.turn(2_000)
    server.side.commits(3_000)
    server.side.closed()
    assert server.side.unread == 2_000
    server.commits("item_1")
    assert server.side.unread == 2_000
    server.reads("item_1")
    assert server.side.unread is None


def test_a_commit_that_found_no_sound_is_nobodys() -> None:
    server = Server()
    server.side.turn(2_000)
    server.side.commits(3_000)
    server.side.closed()
    server.side.empty()
    assert server.side.unread is None
    server.side.turn(4_000)
    server.side.commits(5_000)
    server.commits("item_1")
    (heard,) = server.side.event({"type": f"{READ}.completed", "item_id": "item_1", "transcript": "words"})
    assert (heard.from_ms, heard.until_ms) == (4_000, 5_000)


def test_speech_that_goes_on_is_cut_off_by_our_own_commit() -> None:
    server = Server()
    server.side.turn(2_000)
    server.side.event({"type": "input_audio_buffer.speech_started", "item_id": "item_1", "audio_start_ms": 2_100})
    server.side.commits(3_000)
    server.commits("item_1")
    (heard,) = server.side.event({"type": f"{READ}.completed", "item_id": "item_1", "transcript": "words"})
    assert (heard.from_ms, heard.until_ms) == (2_100, 3_000)
    assert server.side.unread == 3_000, "the turn is open"


def test_what_is_said_once_more_begins_with_the_servers_padding() -> None:
    side = InputItems(1_000, InputRequest(begins=False, ends=False, reads=True, prefix_padding_ms=300))
    side.event({"type": "input_audio_buffer.speech_started", "item_id": "item_1", "audio_start_ms": 700})
    (heard,) = side.event({"type": f"{READ}.delta", "item_id": "item_1", "delta": "words"})
    assert (heard.from_ms, side.unread) == (1_000, 700)


def test_words_that_nobody_will_read_are_missing_until_they_are_answered() -> None:
    for reads in (True, False):
        server = Server(reads=reads)
        server.hears("item_1", 100, 900)
        if reads:
            server.fails("item_1")
        assert server.side.unread == 100
        server.side.answered()
        assert server.side.unread is None


async def test_what_an_earlier_connection_had_is_waited_for_on_the_next() -> None:
    server = Server()
    server.hears("item_1", 100, 900)
    server.hears("item_2", 2_000, 2_900)
    server.side.lost()
    server.side.begin(100)
    assert not await server.side.committed(2_000, 0)
    server.hears("item_3", 0, 800)
    assert not await server.side.committed(2_000, 0), "the first of two"
    server.hears("item_4", 1_900, 2_800)
    assert await server.side.committed(2_000, 0)


async def test_what_an_earlier_connection_has_read_is_there_as_words() -> None:
    server = Server()
    server.side.turn(100)
    server.hears("item_1", 100, 900)
    server.side.closed()
    server.reads("item_1")
    server.side.lost()
    server.side.begin(1_000)
    assert await server.side.committed(100, 0)
    assert not await server.side.committed(900, 0), "and nothing since"
    server.side.turn(800)
    assert not await server.side.committed(800, 0), "a turn that is open has only begun"
