"""How recordings become looks, and looks a head. What a head could learn of recordings, not of sounds, is not there."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.silero import SileroModel
from bargein.audio.sound.features import LEAD_MS
from bargein.errors import UsageError
from benchmarks.sound_clips import LabelledSound, Rendering, read_sounds, render
from benchmarks.sound_training import AFTER, Looks, fit, folds, held_out, row_weights, train_one, words_after_others
from benchmarks.synthetic_laughs import GROUP, laughs
from tests import sounds

MODEL = SileroModel()


def write(folder: Path, name: str, samples: Samples, rate: int) -> None:
    with wave.open(str(folder / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(Pcm(samples, rate).to_bytes())


def test_a_manifest_tells_kinds_groups_and_where_each_sound_begins(tmp_path: Path) -> None:
    quiet = np.zeros(32_000, np.int16)
    entries: list[dict[str, Any]] = [
        {"file": "a.wav", "kind": "interruption", "speaker": "ann", "onset_ms": 250, "end_ms": 900},
        {
            "file": "b.wav",
            "kind": "speech",
            "speaker": "bob",
            "speech_ms": [[100, 400], [800, 900]],
            "active_ms": [[0, 5]],
        },
        {
            "file": "c-1-30344-A.wav",
            "kind": "noise",
            "what": "person-sneeze",
            "active_ms": [[10, 20], [90, 200], [600, 700]],
        },
        {"file": "d.wav", "kind": "backchannel", "what": "laughing", "speaker": "scratch-laugh-male2"},
        {"file": "e.wav", "kind": "backchannel", "speaker": "ann"},
        {"file": "f.wav", "kind": "conversation"},
        {"file": "g.wav", "kind": "noise", "what": "rain", "rate": 8000},
    ]
    for entry in entries:
        write(tmp_path, entry["file"], quiet, entry.get("rate", 16000))
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    read = {sound.name: (sound.kind, sound.group, sound.rate, sound.starts_ms) for sound in read_sounds(tmp_path)}
    assert read == {
        "a": ("words", "ann", 16000, (250.0,)),
        "b": ("words", "bob", 16000, (100.0, 800.0)),
        "c-1-30344-A": ("sneeze", "freesound-30344", 16000, (10.0, 600.0)),
        "d": ("laugh", "scratch-laugh", 16000, (0.0,)),
        "g": ("other", "g", 8000, (0.0,)),
    }


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"manifest\.json"):
        read_sounds(tmp_path)


def labelled(name: str, kind: str = "words", lead_ms: int = 0) -> LabelledSound:
    label = next(label for label in sounds.labels() if label.file == name)
    samples = np.concatenate((np.zeros(16 * lead_ms), sounds.load(name).samples / 32768))
    return LabelledSound(name, kind, name, samples, 16000, (label.onset_ms + lead_ms,))


def test_the_room_before_a_sound_is_cut_off_so_recordings_with_more_of_it_sound_the_same() -> None:
    near = render(labelled("interruption-1.wav"), 0, Rendering(seed=5), MODEL)
    far = render(labelled("interruption-1.wav", lead_ms=500), 0, Rendering(seed=5), MODEL)
    assert near.opened
    assert np.array_equal(near.samples, far.samples)
    assert near.curve == far.curve


@pytest.mark.parametrize("telephone", [False, True])
def test_a_rendering_begins_at_the_vads_first_crossing(telephone: bool) -> None:
    heard = render(labelled("interruption-1.wav"), 0, Rendering(telephone=telephone), MODEL)
    assert heard.rate == (8000 if telephone else 16000)
    assert heard.curve[0] >= 0.3
    assert heard.firm_at(300)
    lead = heard.samples[: LEAD_MS * heard.rate // 1000 // 2].astype(float)
    assert np.sqrt(np.mean(lead**2)) < np.sqrt(np.mean(heard.samples.astype(float) ** 2)) / 3


def some_looks(kinds: dict[str, int], numbers: int = 7) -> Looks:
    """Looks whose first number is above 0 for words, and below for others."""
    rng = np.random.default_rng(0)
    kind = np.array([name for name, count in kinds.items() for _ in range(count)])
    n = len(kind)
    x = rng.normal(0, 1, (n, 327)).astype(np.float32)
    x[:, 0] += np.where(kind == "words", 2, -2)
    names = np.array([f"{k}-{i // 3}#{i % 3}" for i, k in enumerate(kind)])
    groups = np.array([name.split("#")[0] for name in names], "U40")
    ms = np.array([(300, 600)[i % 2] for i in range(n)], np.int64)
    return Looks(x, names, kind, groups, ms, np.ones(n, bool))


KINDS = {"words": 240, "laugh": 48, "cough": 96, "sneeze": 24, "other": 96}


def test_a_regression_finds_what_tells_words() -> None:
    looks = some_looks(KINDS)
    fitted = fit(looks.numbers[:, :7], looks.words, np.ones(len(looks.ms)), 1.0)
    assert np.argmax(np.abs(fitted.weights)) == 0
    right = (fitted.scores(looks.numbers[:, :7]) > 0) == looks.words
    assert right.mean() > 0.95


def test_each_kind_weighs_its_share_at_each_length_however_many_recordings_it_has() -> None:
    looks = some_looks(KINDS)
    weights = row_weights(looks)
    assert weights.mean() == pytest.approx(1)
    for ms in (300, 600):
        at = looks.ms == ms
        assert weights[at & looks.words].sum() / weights[at].sum() == pytest.approx(0.5)
        assert weights[at & (looks.kind == "laugh")].sum() / weights[at].sum() == pytest.approx(0.15)


def test_a_group_is_never_in_two_folds_and_what_no_person_made_is_in_none() -> None:
    looks = some_looks(KINDS)
    looks.group[-6:] = GROUP
    fold = folds(looks)
    assert all(len(set(fold[looks.group == group].tolist())) == 1 for group in set(looks.group.tolist()))
    assert set(fold[looks.group == GROUP].tolist()) == {-1}
    assert set(fold.tolist()) == set(range(-1, 8))
    for kind in ("words", "laugh", "cough"):
        assert len(set(fold[looks.kind == kind].tolist()) - {-1}) == 8


def test_a_held_out_score_is_that_of_a_head_without_the_sound() -> None:
    looks = some_looks(KINDS)
    odd = looks.group == "words-0"
    looks.numbers[odd, 0] = -9  # words that sound like none
    found = held_out(looks, looks, "curve")
    assert (found.train[odd] < 0).all()
    assert (found.train[looks.words & ~odd] >= 0).mean() > 0.9
    assert np.array_equal(found.train, found.test)
    assert (found.train[looks.words & ~odd] >= found.settled(looks)).mean() == pytest.approx(0.6, abs=0.05)


def test_the_same_looks_make_the_same_head() -> None:
    one, two = (train_one(some_looks(KINDS), "curve") for _ in range(2))
    assert np.array_equal(one.weights, two.weights)
    assert one.bias == two.bias


def test_words_after_another_sound_are_words_of_their_own_speaker() -> None:
    words, cough = labelled("interruption-2.wav"), labelled("cough-1.wav", "cough")
    for sound, after_ms in words_after_others([words, cough], seed=1):
        assert sound.kind == "words"
        assert sound.group == words.group
        assert AFTER in sound.name
        assert 250 <= after_ms <= 600
        tail = sound.wave[int(after_ms * 16) :]
        said = words.wave[int(words.starts_ms[0] * 16) :]
        assert np.corrcoef(tail[:4000], said[:4000])[0, 1] > 0.999


def test_laughs_by_arithmetic_open_the_vad_and_are_the_same_for_a_seed() -> None:
    made, again = laughs(12, 3), laughs(12, 3)
    assert all(np.array_equal(a.wave, b.wave) for a, b in zip(made, again, strict=True))
    opened = [render(sound, 0, Rendering(), MODEL).opened for sound in made]
    assert sum(opened) >= 6
