"""The prefixes that an engine keeps: images and instructions that are encoded once and used by many drafts.

They are kept by study, so that a page with many questions pushes out its own prefixes and nobody else's, and so that
all that is kept for a study goes with it. This module knows nothing of reports, canvases and threads: its methods run
in the engine's thread.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from drafting.study import Study
from model.network.loading import DraftingModel
from model.network.prefix import Prefix, VisionFeatures, encode_picture, encode_prefix

# More than a desk has sessions. With fewer, pages that take turns encode their images again for every draft: at 16 for
# 32 pages the first frame came after 20 s in the median, where it came after 2 s for 16 pages. A prefix takes 0.6 MB
# with the default model and some 80 MB with the published one.
KEPT_STUDIES = 40
# Of a study: with and without hints, and of the last question.
PREFIXES_A_STUDY = 3


@dataclass(frozen=True, slots=True)
class _Words:
    """What a prefix says beside the image."""

    indication: str
    question: str
    hints: tuple[str, ...]


@dataclass(eq=False)
class _Kept:
    """All that is kept for a study. `vision`: of its picture, which every prefix of it needs."""

    prefixes: OrderedDict[_Words, Prefix] = field(default_factory=OrderedDict)
    vision: VisionFeatures | None = None


class Prefixes:
    """Encoded prefixes by study, the last used ones. Not safe to use from several threads at once."""

    def __init__(self, drafting_model: DraftingModel) -> None:
        self._model = drafting_model
        self._studies: OrderedDict[str, _Kept] = OrderedDict()
        # What is encoded without a study is all kept together, and cheap: there is no picture in it.
        self._without_study = _Kept()

    def find(self, study: Study | None, indication: str, question: str = "", hints: tuple[str, ...] = ()) -> Prefix:
        """The prefix of a study, encoded now where it is not kept."""
        kept, words = self._kept(study), _Words(indication, question, hints)
        if words not in kept.prefixes:
            if study and kept.vision is None:
                kept.vision = encode_picture(self._model, study.model_picture)
            encoded = encode_prefix(self._model, study, indication, question, hints=hints, vision=kept.vision)
            kept.prefixes[words] = encoded
            while len(kept.prefixes) > (PREFIXES_A_STUDY if study else KEPT_STUDIES):
                kept.prefixes.popitem(last=False)
        kept.prefixes.move_to_end(words)
        return kept.prefixes[words]

    def release(self, study: Study | None) -> None:
        """Forget all that is kept for a study; with None, all that was made without one."""
        if study is None:
            self._without_study = _Kept()
        else:
            self._studies.pop(study.id, None)

    def _kept(self, study: Study | None) -> _Kept:
        if study is None:
            return self._without_study
        kept = self._studies.setdefault(study.id, _Kept())
        self._studies.move_to_end(study.id)
        while len(self._studies) > KEPT_STUDIES:
            self._studies.popitem(last=False)
        return kept
