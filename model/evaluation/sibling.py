"""The autoregressive sibling at the engine's work: it fills gaps, rewrites reports and answers questions.

A gap is filled either from what stands before it alone, or from a prompt that holds the report with the gap marked.
This module knows nothing of canvases being denoised.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from drafting.engine import DraftSettings
from drafting.report import Report
from drafting.study import Study, StudyFacts
from model.engine.layout import Layout, chosen_width, lay_out
from model.engine.pieces import decode_pieces, fitted
from model.network import sibling as network
from model.network.prefix import instruction
from model.network.sibling import FILL_IN, MOST_NEW_TOKENS, REWRITE, SiblingCheckpoint, marked

Sides = Literal["left", "both"]


@dataclass(frozen=True, slots=True)
class Filling:
    """The text of one gap. `cut_off`: nothing ended it but the limit on its tokens."""

    text: str
    cut_off: bool


@dataclass(frozen=True, eq=False)
class Sibling(SiblingCheckpoint):
    """The sibling as a writer of reports."""

    def fill(
        self, study: Study | None, report: Report, sides: Sides, settings: DraftSettings, indication: str = ""
    ) -> str:
        """The text of a report's one open span, written from what is left of it or from `both` sides of it.

        Of the settings the seed counts, where tokens are drawn. Raises ValueError where not one span is open.
        """
        if len(report.open_spans) != 1:
            raise ValueError(f"The report has {len(report.open_spans)} open spans; the sibling fills one.")
        (filling,) = self.fill_all(study, report, sides, settings, indication).values()
        return filling.text

    def fill_all(
        self, study: Study | None, report: Report, sides: Sides, settings: DraftSettings, indication: str = ""
    ) -> dict[str, Filling]:
        """The texts of all open spans by id, one after another; each is written with those before it in sight.

        `both`: all gaps are marked in the prompt and their texts written in order, each ended by a blank, as in
        training. `left`: locked text stands between them as it comes, and what follows a gap is not seen.
        """
        layout = lay_out(report, self.encode, self.blank_id, 1, chosen_width({}))
        words = instruction(study.facts if study else StudyFacts(), indication)
        if sides == "left":
            prompt = self.turn(words, study)
        else:
            turn = self.turn(f"{words} {FILL_IN}", study)
            prompt = marked(turn, self.encode("\n"), self._shown(layout), self.end_of_turn)
        line_end = "\r\n" if "\r\n" in report.text else "\n"
        fillings: dict[str, Filling] = {}
        at = 0
        for slot in layout.slots:
            if sides == "left":
                prompt = [*prompt, *layout.ids[at : slot.start]]
            at = slot.stop
            ids, ended = self.write(prompt, study, settings.seed + len(fillings))
            prompt = [*prompt, *ids, self.blank_id]
            pieces = [text for text, _ in decode_pieces(ids, self.tokenizer, self.blank_id)]
            fillings[slot.span_id] = Filling("".join(fitted(pieces, slot, line_end)), not ended)
        return fillings

    def rewrite(
        self, study: Study | None, report: Report, settings: DraftSettings, indication: str = ""
    ) -> tuple[str, bool]:
        """The whole report written anew from a prompt that shows it with its gaps marked, and whether it was cut off.

        A general chat model would be used so; the sibling was not trained to. Nothing keeps locked text as it is.
        """
        layout = lay_out(report, self.encode, self.blank_id, 1, chosen_width({}))
        words = instruction(study.facts if study else StudyFacts(), indication)
        turn = self.turn(f"{words} {REWRITE}", study)
        prompt = marked(turn, self.encode("\n"), self._shown(layout), self.end_of_turn)
        ids, ended = self.write(prompt, study, settings.seed, len(layout.ids) + MOST_NEW_TOKENS)
        written = "".join(text for text, _ in decode_pieces(ids, self.tokenizer, self.blank_id))
        return written.lstrip() if not report.text[:1].isspace() else written, not ended

    def answer(self, study: Study | None, question: str) -> str:
        """The answer to a question about a study's image."""
        words = instruction(study.facts if study else StudyFacts(), "", question)
        ids, _ = self.write(self.turn(words, study), study, seed=0)
        return "".join(text for text, _ in decode_pieces(ids, self.tokenizer, self.blank_id)).strip()

    def _shown(self, layout: Layout) -> list[int]:
        """The report's tokens with a blank for each open span, whatever it holds; its slots are one position wide."""
        marks = {slot.start for slot in layout.slots}
        return [self.blank_id if at in marks else id for at, id in enumerate(layout.ids)]


def load_sibling(
    folder: str | Path,
    temperature: float = 0.0,
    device: str | torch.device = "cpu",
    adapter: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
) -> Sibling:
    """Load a sibling as `model.network.sibling.load_sibling` does. Raises what it raises."""
    return Sibling(**vars(network.load_sibling(folder, temperature, device, adapter, dtype)))
