"""How gaps are filled: by the model, by its autoregressive sibling, and by two baselines.

This module knows nothing of how gaps are drawn and of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drafting.engine import Draft, DraftSettings
from drafting.report import merge_draft
from model.evaluation.reports.gaps import Gaps
from model.evaluation.sibling import Sibling, Sides
from model.evaluation.task import Context

DIFFUSION = "diffusion"
FIXED = "diffusion, width of the text taken out"
REWRITTEN = "autoregressive, whole report rewritten"
FREQUENT = "most frequent sentence"
ORIGINAL = "the sentence taken out"
# As `Sibling.fill_all` calls them, and as the tables do.
SIBLINGS: tuple[tuple[Sides, str], ...] = (
    ("left", "autoregressive, text before the gap"),
    ("both", "autoregressive, both sides in the prompt"),
)
BY_ENGINE = (DIFFUSION, FIXED)


@dataclass(frozen=True)
class Filled:
    """Gaps with the texts that a method put there, and the draft where it made one.

    `texts`: None where they cannot be told, because the method did not keep what stands around them. `cut_off`: of each
    text, or of what was written as a whole; empty where it cannot be told. `written`: the report as the method gave it.
    """

    gaps: Gaps
    texts: tuple[str, ...] | None
    cut_off: tuple[bool, ...] = ()
    written: str = ""
    draft: Draft | None = None

    @classmethod
    def of(
        cls, gaps: Gaps, texts: Mapping[str, str], cut_off: Sequence[bool] = (), draft: Draft | None = None
    ) -> Filled:
        """The gaps with a text for each of their open spans, by id."""
        own = tuple(texts[f"g{number}"] for number in range(len(gaps.holes)))
        return cls(gaps, own, tuple(cut_off), merge_draft(gaps.drafted_on, texts).text, draft)

    @property
    def text(self) -> str:
        """That of the first gap."""
        assert self.texts is not None
        return self.texts[0]

    @property
    def unchanged(self) -> bool:
        """Whether all text but the gaps' is byte for byte what it was."""
        return kept_around(self.gaps.locked, self.written) is not None


Fill = Callable[[Gaps, DraftSettings], Filled]


def fills_of(context: Context, frequent: Mapping[str, str]) -> dict[str, Fill]:
    """The methods by name; those of the sibling where there is one. `frequent`: a sentence for each section."""
    engine = context.engine

    def elastic(gaps: Gaps, settings: DraftSettings) -> Filled:
        study = gaps.study.study if gaps.study else None
        draft = context.drafted(study, lambda: engine.draft(study, gaps.drafted_on, settings, gaps.report.indication))
        return Filled.of(gaps, draft.texts, [f"g{number}" in draft.full for number in range(len(gaps.holes))], draft)

    def fixed(gaps: Gaps, settings: DraftSettings) -> Filled:
        widths = engine.widths_of(gaps.as_it_was)
        given = (gaps.drafted_on, widths, settings, gaps.report.indication)
        return Filled.of(gaps, context.drafted(None, lambda: engine.draft_exactly(None, *given)).texts)

    def autoregressive(sides: Sides, own: Sibling) -> Fill:
        def fill(gaps: Gaps, settings: DraftSettings) -> Filled:
            study = gaps.study.study if gaps.study else None
            fillings = own.fill_all(study, gaps.drafted_on, sides, settings, gaps.report.indication)
            cut_off = [fillings[f"g{number}"].cut_off for number in range(len(gaps.holes))]
            return Filled.of(gaps, {id: filling.text for id, filling in fillings.items()}, cut_off)

        return fill

    def rewritten(own: Sibling) -> Fill:
        def fill(gaps: Gaps, settings: DraftSettings) -> Filled:
            written, cut_off = own.rewrite(None, gaps.drafted_on, settings, gaps.report.indication)
            return Filled(gaps, kept_around(gaps.locked, written), (cut_off,), written)

        return fill

    fills: dict[str, Fill] = {DIFFUSION: elastic, FIXED: fixed}
    if context.sibling:
        fills |= {name: autoregressive(sides, context.sibling) for sides, name in SIBLINGS}
        fills[REWRITTEN] = rewritten(context.sibling)
    fills[FREQUENT] = lambda gaps, _: Filled.of(gaps, {"g0": frequent[gaps.section]})
    fills[ORIGINAL] = lambda gaps, _: Filled.of(gaps, {f"g{n}": text for n, text in enumerate(gaps.originals)})
    return fills


def kept_around(locked: Sequence[str], written: str) -> tuple[str, ...] | None:
    """What stands between the pieces of `locked` in a text that has all of them in order and nothing beside.

    None where it has not. Of several ways to part the text that of the earliest pieces is taken.
    """
    first, last = locked[0], locked[-1]
    at, stop = len(first), len(written) - len(last)
    if at > stop or not (written.startswith(first) and written.endswith(last)):
        return None
    texts: list[str] = []
    for piece in locked[1:-1]:
        found = written.find(piece, at, stop)
        if found < 0:
            return None
        texts.append(written[at:found])
        at = found + len(piece)
    return (*texts, written[at:stop])
