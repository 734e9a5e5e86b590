"""Labels of the real pictures: the collections' own, completed by teachers that were not trained on these pictures.

A program that searches reports misses much and errs at times: against radiologists its 'effusion' has a sensitivity of
0.38 and a precision of 0.64 (`docs/training.md`). So a label stands where the teachers do not speak against it,
silence means absence where they see nothing, and the rest is unknown. This module knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.synthetic.cases import LABELS, SIDES, ZONES
from model.synthetic.radiographs import Radiographs

# What `train sight` leaves in its folder.
TOWER_FILE = "tower.safetensors"
READINGS_FILE = "readings.npz"
# Findings without side and size, by the names of `LABELS`.
WHOLE = ("cardiomegaly", "edema", "opacity", "effusion", "pneumothorax", "atelectasis", "nodule", "mass")
# A named finding stands if the teachers rate it above this quantile of the pictures that it is not named of.
_SPOKEN_AGAINST = 0.5
# One that is not named is there if they rate it above this quantile of those that it is named of, ...
_SEEN = 0.6
# ... but not in more pictures than this share of those: a radiologist finds about as many more. The share falls to
# nothing where the teachers hardly tell the named from the others, as it does from the second AUROC on to the first.
_MOST_ADDED = 0.6
_BLIND, _SURE = 0.65, 0.75
# It is absent below this quantile of those that it is named of, and below the second of those that it is not.
_UNSEEN, _MOST_UNSEEN = 0.2, 0.6
# A side or zone is told from this probability on, if the other side's is below the second.
_PLACED, _NOT_PLACED = 0.5, 0.25
# The heart's share of the chest's width from which an enlarged heart is markedly so, and up to which it is not.
_MARKED, _NOT_MARKED = 0.64, 0.58
# How much the collection's own word counts in what the label head learns, beside the teachers'.
_OWN_WORD = 0.25


@dataclass(frozen=True, eq=False)
class Readings:
    """What teachers made of pictures that they never saw.

    `logits`: (count, len(LABELS)), of the pictures called `names`; `shares`: (count,) the heart's share of the chest's
    width, NaN where unknown.
    """

    names: NDArray[np.str_]
    logits: NDArray[np.float32]
    shares: NDArray[np.float32]


def load_readings(path: Path) -> Readings:
    """The readings that `train sight` wrote. Raises ValueError where they are of other labels."""
    with np.load(path) as kept:
        if tuple(kept["label_names"].tolist()) != LABELS:
            raise ValueError(f"{path} was made with other labels. Train sight again.")
        return Readings(kept["name"], kept["logits"].astype(np.float32), kept["share"].astype(np.float32))


def completed(radiographs: Radiographs, readings: Readings) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """What reports and questions say of every picture, and what the label head learns, both (count, len(LABELS)).

    The first 1, 0 or -1 where unknown; the second a probability, or -1. Pictures without readings keep their labels.
    """
    labels, soft = radiographs.labels.copy(), radiographs.labels.astype(np.float32)
    rows = {name: row for row, name in enumerate(readings.names.tolist())}
    of = np.array([rows.get(name, -1) for name in radiographs.names.tolist()])
    there = np.flatnonzero(of >= 0)
    if not len(there):
        return labels, soft
    chance = 1 / (1 + np.exp(-readings.logits[of[there]]))
    own, read = labels[there], radiographs.read[there]
    own_word = np.where(own >= 0, own, chance)
    soft[there] = np.where(read[:, None] & (own >= 0), own, (1 - _OWN_WORD) * chance + _OWN_WORD * own_word)
    for finding in WHOLE:
        column = LABELS.index(finding)
        own[:, column] = _decided(own[:, column], chance[:, column], read)
    # A mass is a solid round lesion too.
    nodule, mass = LABELS.index("nodule"), LABELS.index("mass")
    own[own[:, mass] == 1, nodule] = 1
    _place(own, chance, readings.shares[of[there]])
    labels[there] = own
    return labels, soft


def _decided(own: NDArray[np.int8], chance: NDArray[np.float32], read: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Whether a finding is there: (count,) 1, 0 or -1."""
    named, silent = own == 1, (own == 0) & ~read
    if named.sum() < 2 or silent.sum() < 2:
        return own
    seen = np.quantile(chance[named], _SEEN)
    trust = np.clip((auroc(chance[named], chance[silent]) - _BLIND) / (_SURE - _BLIND), 0, 1)
    added = min(trust * _MOST_ADDED * named.sum() / silent.sum(), 1.0)
    seen = max(seen, np.quantile(chance[silent], 1 - added))
    decided = np.full_like(own, -1)
    decided[read] = own[read]
    decided[named & (chance > np.quantile(chance[silent], _SPOKEN_AGAINST))] = 1
    decided[silent & (chance > seen)] = 1
    unseen = min(np.quantile(chance[named], _UNSEEN), np.quantile(chance[silent], _MOST_UNSEEN))
    decided[silent & (chance <= unseen)] = 0
    return decided


def auroc(there: NDArray[np.float32], absent: NDArray[np.float32]) -> float:
    """The share of pairs in which the first is the larger; ties count half."""
    ranks = np.searchsorted(np.sort(absent), there, "left") + np.searchsorted(np.sort(absent), there, "right")
    return float(ranks.mean() / 2 / len(absent))


def _place(labels: NDArray[np.int8], chance: NDArray[np.float32], shares: NDArray[np.float32]) -> None:
    """Fill in sides, zones and sizes: none for what is absent; boxes stand, else what the teachers are sure of."""
    for finding in ("effusion", "pneumothorax", "atelectasis", "nodule"):
        places = [LABELS.index(f"{finding}_{side}") for side in SIDES]
        _sides(labels, chance, LABELS.index(finding), places)
    opacity = LABELS.index("opacity")
    zones = [LABELS.index(f"opacity_{zone}_{side}") for zone in ZONES for side in SIDES]
    boxed = (labels[:, zones] == 1).any(axis=1)
    sure = (chance[:, zones] > _PLACED).any(axis=1) & (labels[:, opacity] == 1) & ~boxed
    for zone in zones:
        # Where one zone is sure, all are told; a box says what it holds, and of one picture all boxes are given.
        told = np.where(boxed, (labels[:, zone] == 1).astype(np.int8), (chance[:, zone] > _PLACED).astype(np.int8))
        labels[:, zone] = np.where(labels[:, opacity] == 0, 0, np.where(boxed | sure, told, -1))
    for sized in ("moderate_or_large_effusion", "large_effusion", "moderate_or_large_pneumothorax"):
        finding = sized.rpartition("_")[2]
        for side in SIDES:
            column, placed = LABELS.index(f"{sized}_{side}"), labels[:, LABELS.index(f"{finding}_{side}")]
            larger = (chance[:, column] > _PLACED).astype(np.int8)
            labels[:, column] = np.where(placed == 1, larger, np.where(placed == 0, 0, -1))
    heart, marked = LABELS.index("cardiomegaly"), LABELS.index("marked_cardiomegaly")
    size = np.where(shares > _MARKED, 1, np.where(shares < _NOT_MARKED, 0, -1))
    labels[:, marked] = np.where(labels[:, heart] == 1, size, np.where(labels[:, heart] == 0, 0, -1))
    edema, severe = LABELS.index("edema"), LABELS.index("interstitial_or_alveolar_edema")
    labels[:, severe] = np.where(labels[:, edema] == 0, 0, -1)


def _sides(labels: NDArray[np.int8], chance: NDArray[np.float32], finding: int, places: list[int]) -> None:
    there, boxed = labels[:, finding] == 1, (labels[:, places] == 1).any(axis=1)
    right, left = (chance[:, place] for place in places)
    both = (right > _PLACED) & (left > _PLACED)
    one = ((right > _PLACED) & (left < _NOT_PLACED)) | ((left > _PLACED) & (right < _NOT_PLACED))
    for place in places:
        told = np.where(boxed, (labels[:, place] == 1), chance[:, place] > _PLACED).astype(np.int8)
        known = there & (boxed | both | one)
        labels[:, place] = np.where(labels[:, finding] == 0, 0, np.where(known, told, -1))
