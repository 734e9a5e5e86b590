"""An engine and a sibling that save finished work in a file, so that a stopped evaluation resumes there.

What is kept is found again by all that it depends on: what was asked, of which picture, with which settings. Weights,
code and device are told in the file's first line, and a file of others is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from drafting.engine import Draft, DraftSettings, Frame
from drafting.report import Report
from drafting.study import Study
from model.evaluation.engine import EvaluationEngine
from model.evaluation.ledger import Ledger
from model.evaluation.reports.studies import finished
from model.evaluation.sibling import Filling, Sibling, Sides

ROOT = Path(__file__).parents[2]


class KeptEngine(EvaluationEngine):
    """The engine, whose drafts, answers and likelihoods are kept. A draft comes without its frames."""

    _kept: Ledger

    @classmethod
    def of(cls, engine: EvaluationEngine, kept: Ledger) -> KeptEngine:
        """The same engine, thread, prefixes and all."""
        other = cls.__new__(cls)
        other.__dict__.update(engine.__dict__)
        other._kept = kept
        return other

    def draft(
        self,
        study: Study | None,
        report: Report,
        settings: DraftSettings,
        indication: str = "",
        start: Frame | None = None,
    ) -> Generator[Frame, None, Draft]:
        if start is not None:
            return (yield from super().draft(study, report, settings, indication, start))
        asked = ["draft", _seen(study), _written(report), asdict(settings), indication]
        own = super().draft
        return self._draft_of(asked, lambda: finished(own(study, report, settings, indication)))

    def draft_exactly(
        self,
        study: Study | None,
        report: Report,
        widths: Mapping[str, int],
        settings: DraftSettings,
        indication: str = "",
    ) -> Generator[Frame, None, Draft]:
        yield from ()
        asked = ["draft exactly", _seen(study), _written(report), dict(widths), asdict(settings), indication]
        own = super().draft_exactly
        return self._draft_of(asked, lambda: finished(own(study, report, widths, settings, indication)))

    def answer(self, study: Study | None, question: str, settings: DraftSettings) -> Generator[Frame, None, Draft]:
        yield from ()
        own = super().answer
        asked = ["answer", _seen(study), question, asdict(settings)]
        return self._draft_of(asked, lambda: finished(own(study, question, settings)))

    def likelihoods(self, study: Study | None, question: str, answers: Sequence[str]) -> list[float]:
        own = super().likelihoods
        asked = ["likelihoods", _seen(study), question, list(answers)]
        scores: list[float] = self._kept.once(asked, lambda: own(study, question, answers))
        return scores

    def _draft_of(self, asked: Sequence[Any], work: Callable[[], Draft]) -> Draft:
        def made() -> dict[str, Any]:
            draft = work()
            return {**asdict(draft), "texts": dict(draft.texts), "full": sorted(draft.full)}

        kept = self._kept.once(asked, made)
        return Draft(**{**kept, "full": frozenset(kept["full"])})


@dataclass(frozen=True, eq=False)
class KeptSibling(Sibling):
    """The sibling, whose texts are kept."""

    kept: Ledger | None = None

    @classmethod
    def of(cls, sibling: Sibling, kept: Ledger) -> KeptSibling:
        return cls(**sibling.__dict__, kept=kept)

    def fill_all(
        self, study: Study | None, report: Report, sides: Sides, settings: DraftSettings, indication: str = ""
    ) -> dict[str, Filling]:
        own = super().fill_all

        def made() -> dict[str, Any]:
            return {id: asdict(each) for id, each in own(study, report, sides, settings, indication).items()}

        asked = ["fill", self.temperature, _seen(study), _written(report), sides, asdict(settings), indication]
        return {id: Filling(**each) for id, each in self._once(asked, made).items()}

    def rewrite(
        self, study: Study | None, report: Report, settings: DraftSettings, indication: str = ""
    ) -> tuple[str, bool]:
        own = super().rewrite
        asked = ["rewrite", self.temperature, _seen(study), _written(report), asdict(settings), indication]
        text, cut_off = self._once(asked, lambda: list(own(study, report, settings, indication)))
        return text, cut_off

    def answer(self, study: Study | None, question: str) -> str:
        own = super().answer
        asked = ["own answer", self.temperature, _seen(study), question]
        return str(self._once(asked, lambda: own(study, question)))

    def _once(self, asked: Sequence[Any], work: Callable[[], Any]) -> Any:
        assert self.kept is not None
        return self.kept.once(asked, work)


def code_sha256() -> str:
    """Of the code that drafts and evaluates."""
    digest = sha256()
    for path in sorted(path for room in ("drafting", "model") for path in (ROOT / room).rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _seen(study: Study | None) -> Any:
    if study is None:
        return None
    picture = study.model_picture
    return [sha256(picture.tobytes()).hexdigest(), list(picture.shape), asdict(study.facts)]


def _written(report: Report) -> list[dict[str, Any]]:
    return [asdict(span) for span in report.spans]
