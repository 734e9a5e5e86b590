"""How often the reader of reports is right: its mentions against sentences labelled by hand.

`python -m model.evaluation.reading.agreement LABELLED.json ... [--reports DIR]` prints precision and recall of
mentions, a finding with its presence, each with a 95 % interval over sentences; of called findings also whether the
side is right.

A file holds a list of objects: `labels`, and `text`, or for a sentence of the Indiana collection `number`, `sentence`
(its place in the report) and `sha256`, since its text must not be kept. `aside` tells the sentences that were never
used for mending the reader. Labels are written '+effusion/R -pneumothorax ?opacity/B': present, absent, uncertain; the
side where one is named, B for both. This module knows nothing of how sentences are read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast, get_args

from model.evaluation.reading.indiana import LaidReport, read_report
from model.evaluation.reading.labeler import BOTH, FINDINGS, SIDED, Finding, Presence, Reading, read, reading
from model.evaluation.record import EvaluationError
from model.evaluation.statistics import Estimate, pooled
from model.synthetic.cases import Side

_PRESENCE: Mapping[str, Presence] = {"+": "present", "-": "absent", "?": "uncertain"}
_SIDES: Mapping[str, frozenset[Side]] = {
    "": frozenset(),
    "R": frozenset(["right"]),
    "L": frozenset(["left"]),
    "B": BOTH,
}
_LABEL = re.compile(r"([-+?])([a-z ]+?)(?:/([RLB]))?(?=\s+[-+?]|$)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A labelled sentence. `aside`: never used for mending the reader."""

    text: str
    labels: Mapping[Finding, Reading]
    aside: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """Precision and recall of mentions, and the share of right sides among called findings that both name."""

    precision: Estimate
    recall: Estimate
    sides: Estimate


def labels_of(written: str) -> dict[Finding, Reading]:
    """Labels as they are written in the files. Raises EvaluationError where they cannot be read."""
    labels: dict[Finding, Reading] = {}
    for found in _LABEL.finditer(written):
        sign, name, side = found.groups(default="")
        if name not in get_args(Finding):
            raise EvaluationError(f"No finding is called {name!r}.")
        labels[cast(Finding, name)] = Reading(_PRESENCE[sign], _SIDES[side])
    if _LABEL.sub("", written).strip():
        raise EvaluationError(f"{written!r} is not a list of labels.")
    return labels


def labelled_sentences(path: Path, reports: Path | None = None) -> list[Sentence]:
    """The sentences of a file, with their text from the `reports` folder where the file has none of its own.

    Raises EvaluationError where a report is not there or its sentence is another one.
    """
    held: dict[int, LaidReport] = {}

    def text_of(entry: Mapping[str, object]) -> str:
        if "text" in entry:
            return str(entry["text"])
        if reports is None:
            raise EvaluationError(f"{path} contains no text. Name the reports' folder.")
        number, place = cast(int, entry["number"]), cast(int, entry["sentence"])
        if number not in held:
            held[number] = _report(reports, number)
        report = held[number]
        text = report.words_of(report.parts[place]) if place < len(report.parts) else ""
        if sha256(text.encode()).hexdigest() != entry["sha256"]:
            raise EvaluationError(f"Sentence {place} of report {number} differs from the labelled one.")
        return text

    entries = json.loads(path.read_text(encoding="utf-8"))
    return [Sentence(text_of(entry), labels_of(entry["labels"]), bool(entry["aside"])) for entry in entries]


def _report(folder: Path, number: int) -> LaidReport:
    for path in folder.rglob(f"{number}.xml"):
        if report := read_report(path):
            return report
    raise EvaluationError(f"{folder} does not have report {number}.")


def agreement(sentences: Sequence[Sentence]) -> Agreement:
    """How the reader agrees with the labels of these sentences."""
    read_as = [_readings(sentence.text) for sentence in sentences]
    hits = [
        sum(
            said.get(finding, Reading("not mentioned")).presence == wanted.presence
            for finding, wanted in s.labels.items()
        )
        for s, said in zip(sentences, read_as, strict=True)
    ]
    sided = [
        [
            said[finding].sides == wanted.sides
            for finding, wanted in s.labels.items()
            if finding in SIDED and wanted.called and finding in said and said[finding].called
        ]
        for s, said in zip(sentences, read_as, strict=True)
    ]
    return Agreement(
        precision=pooled(hits, [len(said) for said in read_as]),
        recall=pooled(hits, [len(s.labels) for s in sentences]),
        sides=pooled([sum(each) for each in sided], [len(each) for each in sided]),
    )


def _readings(text: str) -> dict[Finding, Reading]:
    mentions = read(text)
    readings = {finding: reading(mentions, finding) for finding in FINDINGS}
    return {finding: said for finding, said in readings.items() if said.presence != "not mentioned"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m model.evaluation.reading.agreement",
        description="The reader of reports against labels made by hand.",
    )
    parser.add_argument("labelled", type=Path, nargs="+", help="files of labelled sentences")
    parser.add_argument("--reports", type=Path, help="folder of the Indiana collection's XML reports")
    chosen = parser.parse_args()
    try:
        for path in chosen.labelled:
            sentences = labelled_sentences(path, chosen.reports)
            for aside in (False, True):
                part = [sentence for sentence in sentences if sentence.aside == aside]
                if not part:
                    continue
                told = agreement(part)
                print(f"{path.stem}, {'kept aside' if aside else 'used for mending'}: {len(part)} sentences")
                for name, one in (("precision", told.precision), ("recall", told.recall), ("sides", told.sides)):
                    between = f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" if one.value is not None else "-"
                    print(f"  {name:<10}{between}  n = {one.count}")
    except (OSError, ValueError, EvaluationError) as error:
        print(f"python -m model.evaluation.reading.agreement: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
