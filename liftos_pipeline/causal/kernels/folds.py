"""Folds that depend on a unit's key and a seed only: not on row order, library or engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


def splitmix64(words: Words) -> Words:
    """Finaliser of the SplitMix64 generator, element by element.

    References
    ----------
    Steele, Lea and Flood (2014), OOPSLA, figure 17.
    """
    z = words + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def key_words(labels: NDArray[Any]) -> Words:
    """One 64-bit word per key: the value of a whole number or instant (microseconds), FNV-1a of a text's UTF-8."""
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64).view(np.uint64)
    if labels.dtype.kind == "M":
        return labels.astype("datetime64[us]").astype(np.int64).view(np.uint64)
    encoded = [str(label).encode() for label in labels]
    lengths = np.array([len(text) for text in encoded])
    longest = int(lengths.max(initial=0))
    padded = b"".join(text.ljust(longest, b"\0") for text in encoded)
    table = np.frombuffer(padded, dtype=np.uint8).reshape(len(encoded), longest)
    words = np.full(len(encoded), _FNV_OFFSET, dtype=np.uint64)
    for place in range(longest):
        mixed = (words ^ table[:, place].astype(np.uint64)) * _FNV_PRIME
        words = np.where(place < lengths, mixed, words)
    return words


def assign_folds(labels: NDArray[Any], n_folds: int, seed: int) -> Integers:
    """Fold 0..n_folds-1 of each key, shape (n_labels,)."""
    salt = splitmix64(np.array([seed % 2**64], dtype=np.uint64))
    hashed = splitmix64(key_words(labels) ^ salt)
    return (hashed % np.uint64(n_folds)).astype(np.int64)
