"""`python -m model evaluate judge`: how far a judge can be trusted, measured against people's verdicts.

The file of people's verdicts has a JSON object a line: `question`, `reference`, `answer`, `verdict` ('right' or
'wrong') and, where told, `kind`, a word for what the line tries. Probes are made from it by rule: answers padded with
what says nothing, which must change no verdict, and with what contradicts them, which must make every verdict 'wrong'.
Exact match alone stands beside the judge. This module knows nothing of models and networks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.evaluation.judge.claims import polarity
from model.evaluation.judge.verdict import Answered, Verdict
from model.evaluation.reading.wordwise import is_same, words_of
from model.evaluation.record import EvaluationError, Row
from model.evaluation.statistics import Estimate, kappa, mean, pooled, rank_correlation, share

VERDICTS = ("right", "wrong")
# Words of an answer: what is called short, middling and long.
LENGTHS = (("1 to 3 words", 0, 3), ("4 to 12 words", 4, 12), ("13 words and more", 13, 1 << 30))
# Longer ones are padded already.
MOST_WORDS_PADDED = 12

BEFORE = "Thank you for this interesting question. I have carefully studied the image."
AFTER = (
    "This assessment is based on the image alone and was made with great care and systematic attention to detail. "
    "Please consult a qualified radiologist before any decision is made."
)
LEARNED = "The conspicuity of this is excellent, and I am highly confident in it, as any experienced reader would be."
PROBES = ("padded right", "padded wrong", "contradicted right", "contradicted wrong")


@dataclass(frozen=True, slots=True)
class HumanVerdict:
    """An answer that a person has judged. `kind`: what the line tries, '' where not told."""

    answered: Answered
    right: bool
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """An answer made by rule, with the verdict that it must get. `name`: one of `PROBES`."""

    answered: Answered
    right: bool
    name: str


def load_verdicts(path: Path) -> list[HumanVerdict]:
    """The file of people's verdicts. Raises EvaluationError, with the line, where it is none or judges one twice."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path} is not UTF-8 text.") from error
    found: dict[Answered, HumanVerdict] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            one = _verdict(line, f"{path}, line {number}")
            if one.answered in found:
                raise EvaluationError(f"{path}, line {number}: this answer to this question is there already.")
            found[one.answered] = one
    if not found:
        raise EvaluationError(f"{path} contains no verdict.")
    return list(found.values())


def _verdict(line: str, place: str) -> HumanVerdict:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise EvaluationError(f"{place} is not JSON.") from error
    if not isinstance(told, dict):
        raise EvaluationError(f"{place} is not a JSON object.")
    for name in ("question", "reference", "answer", "verdict"):
        if not isinstance(told.get(name), str):
            raise EvaluationError(f"{place} has no text '{name}'.")
    if told["verdict"] not in VERDICTS:
        raise EvaluationError(f"{place}: the verdict is '{told['verdict']}', not {' or '.join(VERDICTS)}.")
    kind = told.get("kind", "")
    if not isinstance(kind, str):
        raise EvaluationError(f"{place}: 'kind' is not text.")
    return HumanVerdict(Answered(told["question"], told["reference"], told["answer"]), told["verdict"] == "right", kind)


def probes(lines: Sequence[HumanVerdict]) -> list[Probe]:
    """The short answers of a file, padded: with words that say nothing, and with words that contradict."""
    made: list[Probe] = []
    for line in lines:
        if not 0 < len(words_of(line.answered.answer)) <= MOST_WORDS_PADDED:
            continue
        answer = _sentence(line.answered.answer)
        name = VERDICTS[not line.right]
        padded = f"{BEFORE} {answer} {LEARNED} {AFTER}"
        made.append(Probe(replace(line.answered, answer=padded), line.right, f"padded {name}"))
        contradicted = f"{answer} {_against(line)}"
        made.append(Probe(replace(line.answered, answer=contradicted), False, f"contradicted {name}"))
    return made


def _against(line: HumanVerdict) -> str:
    """Words after which an answer is wrong: a right one is taken back, a wrong one is offered beside the reference."""
    reference = line.answered.reference.strip().rstrip(".")
    if not line.right:
        return f"Then again, '{reference}' may be the answer just as well."
    yes = polarity(line.answered.reference)
    if yes is not None:
        return f"On reflection, that was a mistake, and it is the other way round: {'no' if yes else 'yes'}."
    return f"On reflection, that was a mistake: it is certainly not '{reference}' but something else."


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def judge_rows(
    name: str, lines: Sequence[HumanVerdict], made: Sequence[Probe], verdicts: Mapping[Answered, Verdict] | None
) -> list[Row]:
    """The table: agreement, length and probes, of exact match and of the judge `name` where there are verdicts."""
    rows = _agreement("exact match alone", lines, [is_same(a.answered.reference, a.answered.answer) for a in lines])
    if verdicts is None:
        return rows
    said = [verdicts[line.answered].right for line in lines]
    rows += _agreement(name, lines, said)
    asked = [verdicts[line.answered].source == "judge" for line in lines]
    rows.append(Row("people's verdicts", name, "read by the judge", share(asked)))
    rows.append(
        Row("people's verdicts", name, "of these without a verdict", share([one is None for one in said], asked))
    )
    rows += _lengths(name, lines, said)
    for probe in PROBES:
        of_probe = [one for one in made if one.name == probe]
        got = [verdicts[one.answered] for one in of_probe]
        read = [verdict.right is not None for verdict in got]
        hits = [verdict.right == one.right for one, verdict in zip(of_probe, got, strict=True)]
        wanted = "must be right" if probe == "padded right" else "must be wrong"
        rows.append(Row("probes", name, f"{probe}, {wanted}", share(hits, read)))
        of_judge = [verdict.source == "judge" for verdict in got]
        lacking = [verdict.right is None for verdict in got]
        rows.append(Row("probes", name, f"{probe}, without a verdict", share(lacking, of_judge)))
    return rows


def _agreement(name: str, lines: Sequence[HumanVerdict], said: Sequence[bool | None]) -> list[Row]:
    """Over the lines that have a verdict; intervals over questions, because answers to one question are alike."""
    images = "people's verdicts"
    both = [(line, one) for line, one in zip(lines, said, strict=True) if one is not None]
    groups = [f"{line.answered.question}\n{line.answered.reference}" for line, _ in both]
    rows = [
        Row(images, name, "Cohen's kappa", kappa([line.right for line, _ in both], [one for _, one in both], groups)),
        Row(images, name, "agreement", _grouped(groups, [line.right == one for line, one in both])),
    ]
    for told, right in (("right", True), ("wrong", False)):
        of_told = [(group, one) for group, (line, one) in zip(groups, both, strict=True) if line.right == right]
        agreed = _grouped([group for group, _ in of_told], [one == right for _, one in of_told])
        rows.append(Row(images, name, f"agreement where people say {told}", agreed))
    for kind in sorted({line.kind for line in lines} - {""}):
        at = [number for number, (line, _) in enumerate(both) if line.kind == kind]
        agreed = _grouped([groups[n] for n in at], [both[n][0].right == both[n][1] for n in at])
        rows.append(Row(images, name, f"agreement, {kind}", agreed))
    return rows


def _grouped(groups: Sequence[str], hits: Sequence[bool]) -> Estimate:
    at = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    sums, counts = [0.0] * len(at), [0] * len(at)
    for group, hit in zip(groups, hits, strict=True):
        sums[at[group]] += hit
        counts[at[group]] += 1
    return pooled(sums, counts)


def _lengths(name: str, lines: Sequence[HumanVerdict], said: Sequence[bool | None]) -> list[Row]:
    """A judge that takes length for knowledge calls longer answers right more often than people do."""
    both = [(line, one, len(words_of(line.answered.answer))) for line, one in zip(lines, said, strict=True)]
    known = [(line.right, one, words) for line, one, words in both if one is not None]
    rows = []
    images = "length of the answer"
    for told, least, most in LENGTHS:
        of_length = [(right, one) for right, one, words in known if least <= words <= most]
        ahead = [float(one) - float(right) for right, one in of_length]
        rows += [
            Row(images, name, f"{told}, judge right", share([one for _, one in of_length])),
            Row(images, name, f"{told}, people right", share([right for right, _ in of_length])),
            Row(images, name, f"{told}, judge less people", mean(ahead)),
        ]
    words_alone = [float(words) for _, _, words in known]
    ahead = [float(one) - float(right) for right, one, _ in known]
    correlation = rank_correlation(words_alone, ahead)
    rows.append(Row(images, name, "rank correlation of words with judge less people", correlation))
    return rows
