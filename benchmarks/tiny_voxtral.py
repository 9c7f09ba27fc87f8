"""A tiny Voxtral with random weights, made of the real classes: for tests, and for the figures of the machinery alone.

Its tokenizer is mistral-common's, of the version that Voxtral has, with the 256 bytes for a vocabulary: every letter
is a token, and every "é" is two. Needs the extra voxtral-local.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, cast

import torch
from mistral_common.tokens.tokenizers.base import SpecialTokens
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from transformers import (
    GenerationConfig,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    VoxtralProcessor,
    WhisperFeatureExtractor,
)
from transformers.tokenization_mistral_common import MistralCommonBackend

SPECIAL = 40  # tokens in front of the bytes; Voxtral itself has 1000
AUDIO, BEGIN_AUDIO = 24, 25
LAYERS = 12  # so that a token takes some 3 ms; the real one's, on a GPU, some 20


def make(path: Path) -> Path:
    """Write one into a folder. Of its bytes only small letters may come, and it never ends a reply itself."""
    torch.manual_seed(7)
    config = VoxtralConfig(
        audio_config={
            "model_type": "voxtral_encoder",
            "num_mel_bins": 80,
            "hidden_size": 32,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_source_positions": 1500,
            "initializer_range": 0.3,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": SPECIAL + 256,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 16_384,
            "initializer_range": 0.3,
        },
        audio_token_id=AUDIO,
    )
    model = VoxtralForConditionalGeneration(config)
    letters = {SPECIAL + ord(letter) for letter in "abcdefghijklmnopqrstuvwxyz"}
    model.generation_config = cast("Any", GenerationConfig)(
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=11,
        suppress_tokens=[token for token in range(SPECIAL + 256) if token not in letters],
    )
    model.save_pretrained(path)
    tokenizer = MistralCommonBackend(tiny_tekken(path / "tekken.json"))
    extractor = cast("Any", WhisperFeatureExtractor)(feature_size=80)
    cast("Any", VoxtralProcessor)(extractor, tokenizer).save_pretrained(path)
    return path


def tiny_tekken(path: Path) -> Path:
    """A vocabulary file as Voxtral's, with every byte and nothing else."""
    names = {token["rank"]: SpecialTokens(token["token_str"]).value for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS}
    names |= {AUDIO: "[AUDIO]", BEGIN_AUDIO: "[BEGIN_AUDIO]", 34: "[TRANSCRIBE]"}
    spectrogram = {"num_mel_bins": 80, "hop_length": 160, "window_size": 400}
    audio = {"sampling_rate": 16_000, "frame_rate": 12.5, "audio_encoding_config": spectrogram, "chunk_length_s": 30.0}
    file = {
        "config": {
            "pattern": r"[^\s]+|\s+",
            "num_vocab_tokens": 256,
            "default_vocab_size": SPECIAL + 256,
            "default_num_special_tokens": SPECIAL,
            "version": "v7",
        },
        "vocab": [
            {"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode(), "token_str": None} for i in range(256)
        ],
        "special_tokens": [
            {"rank": i, "token_str": names.get(i, f"<SPECIAL_{i}>"), "is_control": True} for i in range(SPECIAL)
        ],
        "audio": audio,
    }
    path.write_text(json.dumps(file))
    return path
