"""Rows of classifiers of several classes, whose labels are drawn from what the model should have said."""

from __future__ import annotations

from typing import Any

import numpy as np

Rows = tuple[Any, Any, Any]


def draw(
    random: np.random.Generator,
    rows: int,
    classes: int = 3,
    *,
    sure: float = 1.0,
    shift: float = 0.0,
    concept: float = 0.0,
) -> Rows:
    """Predictions, labels and probabilities.

    Args:
        random: Where chance comes from.
        rows: How many.
        classes: How many; later ones are less frequent.
        sure: Above 1, the model is too sure of itself.
        shift: How far inputs have moved towards the first class.
        concept: How much of the relation of inputs and labels is gone, up to 1.
    """
    logits = random.normal(np.linspace(0.6, -1.0, classes), 1.2, (rows, classes))
    logits[:, 0] += shift
    logits *= 1 - 0.4 * shift
    labels = (logits * (1 - concept) + random.gumbel(size=(rows, classes))).argmax(axis=1)
    p = np.exp(sure * logits)
    p /= p.sum(axis=1, keepdims=True)
    return p.argmax(axis=1), labels, p


def names(count: int) -> tuple[str, ...]:
    """Names of classes."""
    return tuple(f"c{place}" for place in range(count))
