"""The prefixes that an engine keeps: images and instructions that are encoded once and used by many drafts.

This module knows nothing of reports, canvases and threads: its methods run in the engine's thread.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from drafting.study import Study
from model.network.loading import DraftingModel
from model.network.prefix import Prefix, VisionFeatures, encode_picture, encode_prefix

KEPT_PREFIXES = 16


@dataclass(frozen=True, slots=True)
class _Key:
    study_id: str
    indication: str
    question: str
    hints: tuple[str, ...]


class Prefixes:
    """Encoded prefixes and vision features, the last used ones. Not safe to use from several threads at once."""

    def __init__(self, drafting_model: DraftingModel) -> None:
        self._model = drafting_model
        self._prefixes: OrderedDict[_Key, Prefix] = OrderedDict()
        # Every question, hint and new indication is a prefix of its own; the picture in it is encoded once.
        self._vision: OrderedDict[str, VisionFeatures] = OrderedDict()

    def find(self, study: Study | None, indication: str, question: str = "", hints: tuple[str, ...] = ()) -> Prefix:
        """The prefix of a study, encoded now where it is not kept."""
        key = _Key(study.id if study else "", indication, question, hints)
        if key not in self._prefixes:
            vision = self._encoded(study) if study else None
            self._prefixes[key] = encode_prefix(self._model, study, indication, question, hints=hints, vision=vision)
            while len(self._prefixes) > KEPT_PREFIXES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(key)
        return self._prefixes[key]

    def release(self, study: Study | None) -> None:
        """Forget all that is kept for a study; with None, all that was made without one."""
        id = study.id if study else ""
        for key in [key for key in self._prefixes if key.study_id == id]:
            del self._prefixes[key]
        self._vision.pop(id, None)

    def _encoded(self, study: Study) -> VisionFeatures:
        if study.id not in self._vision:
            self._vision[study.id] = encode_picture(self._model, study.model_picture)
            while len(self._vision) > KEPT_PREFIXES:
                self._vision.popitem(last=False)
        self._vision.move_to_end(study.id)
        return self._vision[study.id]
