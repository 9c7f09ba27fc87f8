"""A tiny ONNX model, written field by field: the mean of its input's frames, through one matrix.

Protocol buffers: each field is its number and kind, then a length and that many bytes, or a number (varint).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT = 1


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def chunk(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor_type(name: str, shape: Sequence[int | str]) -> bytes:
    """A ValueInfoProto. A dimension with a name has any size."""
    dims = b"".join(chunk(1, number(1, d) if isinstance(d, int) else chunk(2, d)) for d in shape)
    return chunk(1, name) + chunk(2, chunk(1, number(1, FLOAT) + chunk(2, dims)))


def node(kind: str, inputs: Sequence[str], output: str, attributes: bytes = b"") -> bytes:
    return b"".join(chunk(1, i) for i in inputs) + chunk(2, output) + chunk(4, kind) + attributes


def mean_then_matrix(matrix: NDArray[np.float32], *, name: str = "mels") -> bytes:
    """Input (1, frames, rows of the matrix), output `embedding` (1, columns)."""
    rows, columns = matrix.shape
    axes = chunk(5, chunk(1, "axes") + number(8, 1) + number(20, 7))
    keep = chunk(5, chunk(1, "keepdims") + number(3, 0) + number(20, 2))
    weights = number(1, rows) + number(1, columns) + number(2, FLOAT) + chunk(8, "w") + chunk(9, matrix.tobytes())
    graph = (
        chunk(1, node("ReduceMean", [name], "mean", axes + keep))
        + chunk(1, node("MatMul", ["mean", "w"], "embedding"))
        + chunk(2, "tiny")
        + chunk(5, weights)
        + chunk(11, tensor_type(name, ("batch", "frames", rows)))
        + chunk(12, tensor_type("embedding", (1, columns)))
    )
    return number(1, 8) + chunk(7, graph) + chunk(8, chunk(1, "") + number(2, 13))
