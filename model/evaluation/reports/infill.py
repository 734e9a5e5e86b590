"""`python -m model evaluate infill`: a part of a report is taken out and drafted again.

With `--data`: one sentence of reports that the grammar wrote of held-out painted radiographs, and, where their folder
is given, of real ones of the Indiana collection, without their images. Three questions: where the rest of the report
decides what the sentence must say, is that what is drafted; does a drafted sentence contradict what stays locked; does
it say what the one that was taken out said. The same gaps are filled by baselines, and the sentence that was taken out
is read in the same way: what it seems to get wrong is the reader's error. With `--set`: see `sizes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from model.commands import argument
from model.evaluation.reading.labeler import SIDED, Finding, read, reading
from model.evaluation.reading.labeler import sentences as sentences_of
from model.evaluation.reading.statements import called, contradicts, denied, statements
from model.evaluation.reading.wording import (
    REFERENCE_REPORTS,
    broken_words,
    is_empty,
    known_words,
    most_frequent_sentences,
    written_reports,
)
from model.evaluation.record import EvaluationError, Row
from model.evaluation.reports.foreign import load_scores
from model.evaluation.reports.gaps import Gaps, fits, real_gaps, written_gaps
from model.evaluation.reports.methods import BY_ENGINE, DIFFUSION, FREQUENT, ORIGINAL, SIBLINGS, Fill, Filled, fills_of
from model.evaluation.reports.sizes import all_sizes, part_of, read_set
from model.evaluation.reports.studies import adults, truth_of
from model.evaluation.statistics import f1, median, paired_difference, share
from model.evaluation.task import DRAFTS, MODEL, OF_SIBLING, PACK, REAL, Context, DraftedSettings, Task
from model.synthetic.cases import case_to_json
from model.synthetic.grammar import WrittenReport

UNTOLD = "diffusion, without the hint"
TOLD = "diffusion, with the hint"


@dataclass(frozen=True, slots=True)
class InfillSettings(DraftedSettings):
    limit: int = argument(150, "reports, with two gaps each; with --set with all kinds")
    blank: int = argument(80, "of these once more with a blank image")
    real: int = argument(300, "reports of --reports, a gap each")
    set: Path | None = argument(
        None,
        "instead of --data: folder of a set of reports, in which gaps of every size are filled in every way",
    )
    format: str | None = argument(None, "format of --set (default: recognised by its file names)")
    scores: str = argument(
        "",
        "with --set: radgraph, chexbert, ratescore and green, with commas between, whose packages are installed",
    )


def measure(context: Context[InfillSettings]) -> Iterator[list[Row]]:
    """Raises EvaluationError for options that do not go together."""
    data, chosen = context.given("data"), context.settings
    if (data is None) == (chosen.set is None):
        raise EvaluationError("infill needs --data, or --set for gaps of every size in a set's reports; not both.")
    if chosen.set and context.given("reports"):
        raise EvaluationError("--reports goes with --data, not with --set.")
    if not chosen.set and (chosen.format or chosen.scores):
        raise EvaluationError("--format and --scores go with --set, not with --data.")
    return sentences_again(context) if chosen.set is None else _sizes(context, chosen.set)


def _sizes(context: Context[InfillSettings], folder: Path) -> Iterator[list[Row]]:
    held = read_set(folder, context.settings.format)
    part = part_of(held)
    scores = load_scores([name for name in context.settings.scores.split(",") if name])
    context.note(name="gaps", reports_sha256=held.sha256)
    context.note_settings(format=held.name, part=part)
    fills = fills_of(context, most_frequent_sentences(_reference(context)))
    yield from all_sizes(context, held, part, context.settings.limit, fills, scores)


def _reference(context: Context[InfillSettings]) -> list[WrittenReport]:
    return written_reports(REFERENCE_REPORTS, Random(f"reference {context.settings.seed}"))


def sentences_again(context: Context[InfillSettings]) -> Iterator[list[Row]]:
    """The rows of each kind of gap; every filled gap is written down."""
    settings, radiographs, real = context.settings, context.radiographs, context.real
    written = _reference(context)
    known = known_words([*(one.text for one in written), *(one.text for one in real)])
    fills = fills_of(context, most_frequent_sentences(written))
    methods = [name for name in (DIFFUSION, *(name for _, name in SIBLINGS), FREQUENT, ORIGINAL) if name in fills]
    gaps = [
        gap
        for number, study in enumerate(adults(radiographs, settings.limit, settings.seed))
        for gap in written_gaps(study, Random(f"infill {settings.seed} {number}"))
    ]
    decided = [gap for gap in gaps if gap.decided]
    free = [gap for gap in gaps if not gap.decided]
    blank = [gap.blank() for gap in decided[: settings.blank]]
    taken = real_gaps(real, settings.real, settings.seed, lambda gap: fits(context.model, gap))
    # A baseline has nothing to learn from how the sentence that was taken out fills a decided gap.
    without_original = [name for name in methods if name != ORIGINAL]
    rows_of: Callable[[str, str, Sequence[Filled], frozenset[str]], list[Row]]
    drafted: list[Filled] = []
    for images, chosen, names, rows_of in (
        ("gap decided by locked text, generated reports", decided, without_original, decided_rows),
        ("gap decided by locked text, generated reports, blank image", blank, [DIFFUSION], decided_rows),
        ("any sentence, generated reports", free, methods, _any_rows),
        ("any sentence, Indiana reports without their images", taken, methods, _real_rows),
    ):
        for name in names if chosen else ():
            filled = _filled(context, images, name, fills[name], chosen)
            yield rows_of(images, name, filled, known)
            if name == DIFFUSION:
                drafted += filled
    hintable = [gap for gap in free if gap.hint and statements(gap.original)]
    if hintable and context.engine.heeds_hints:
        images = "any sentence of which a hint can be given, generated reports"
        untold, told = (
            _filled(context, images, name, fills[DIFFUSION], [replace(gap, told=name == TOLD) for gap in hintable])
            for name in (UNTOLD, TOLD)
        )
        yield _hint_rows(images, untold, told)
    yield _run_rows(drafted)


def _filled(context: Context, images: str, name: str, fill: Fill, gaps: Sequence[Gaps]) -> list[Filled]:
    done: list[Filled] = []
    for filled in context.each(fill, gaps, f"{images}: {name}", name in (*BY_ENGINE, UNTOLD, TOLD)):
        done.append(filled)
        gap, draft = filled.gaps, filled.draft
        context.write_down(
            {
                "images": images,
                "method": name,
                "name": gap.name,
                "case": case_to_json(gap.case) if gap.case else None,
                "report": gap.report.text,
                "original": gap.original,
                "drafted": filled.text,
                "widened": draft.widenings if draft else None,
                "full": bool(draft.full) if draft else None,
            }
        )
    return done


def _contradicts(filled: Filled) -> bool:
    return contradicts(filled.text, filled.gaps.section, filled.gaps.standing)


def _repeats(filled: Filled) -> bool:
    """Whether a sentence stands in its section already, word for word."""
    gap = filled.gaps
    standing = {_plain(one) for section, text in gap.standing if section == gap.section for one in sentences_of(text)}
    return any(_plain(one) in standing for one in sentences_of(filled.text))


def _plain(sentence: str) -> str:
    return sentence.lower().rstrip(".")


def _invents(filled: Filled) -> bool:
    case = filled.gaps.case
    return case is not None and any(truth_of(case, f).there is False for f in called(read(filled.text)))


# Rows


def decided_rows(images: str, name: str, done: Sequence[Filled], known: frozenset[str]) -> list[Row]:
    """What the sentences say, against those that were taken out."""
    wanted = [read(filled.gaps.original) for filled in done]
    said = [read(filled.text) for filled in done]
    calls = [called(want) for want in wanted]
    positive = [bool(call) for call in calls]
    negative = [not each for each in positive]
    named = [call <= called(have) for call, have in zip(calls, said, strict=True)]
    denies = [bool(call & denied(have)) for call, have in zip(calls, said, strict=True)]
    sided = [bool(call & set(SIDED)) for call in calls]
    right = [
        all(reading(have, finding).sides == reading(want, finding).sides for finding in call & set(SIDED))
        for call, want, have in zip(calls, wanted, said, strict=True)
    ]
    silent = [not called(have) for have in said]
    rules_out = [quiet and bool(denied(have)) for quiet, have in zip(silent, said, strict=True)]
    agrees = [
        (name_ and not deny and side) if there else out
        for there, name_, deny, side, out in zip(positive, named, denies, right, rules_out, strict=True)
    ]
    return [
        Row(images, name, "finding, negation and side agree", share(agrees)),
        Row(images, name, "... where something is there", share(agrees, positive)),
        Row(images, name, "names every finding", share(named, positive)),
        Row(images, name, "denies one of them", share(denies, positive)),
        Row(
            images,
            name,
            "side right where named",
            share(right, [all(each) for each in zip(positive, named, sided, strict=True)]),
        ),
        Row(images, name, "calls nothing where nothing is there", share(silent, negative)),
        Row(images, name, "... and denies something too", share(rules_out, negative)),
        Row(images, name, "calls what the case has not", share([_invents(filled) for filled in done])),
    ]


def _any_rows(images: str, name: str, done: Sequence[Filled], known: frozenset[str]) -> list[Row]:
    return [
        Row(images, name, "contradicts locked text", share([_contradicts(f) for f in done])),
        *_wording_rows(images, name, done, known),
        Row(images, name, "calls what the case has not", share([_invents(f) for f in done])),
    ]


def _hint_rows(images: str, untold: Sequence[Filled], told: Sequence[Filled]) -> list[Row]:
    """Does a sentence speak of what the one that was taken out speaks of, more often with a hint of it?"""

    def matters(text: str) -> set[Finding]:
        return {finding for finding, _ in statements(text)}

    without, hinted = ([bool(matters(f.text) & matters(f.gaps.original)) for f in done] for done in (untold, told))
    measure = "speaks of a matter of the sentence taken out"
    difference = paired_difference(hinted, without, [1] * len(told)).difference
    return [
        Row(images, UNTOLD, measure, share(without)),
        Row(images, TOLD, measure, share(hinted)),
        Row(images, "more often with the hint", measure, difference),
    ]


def _real_rows(images: str, name: str, done: Sequence[Filled], known: frozenset[str]) -> list[Row]:
    pairs = [(statements(f.text), statements(f.gaps.original)) for f in done]
    positive = [({s for s in said if s[1]}, {s for s in wanted if s[1]}) for said, wanted in pairs]

    def agreement(measure: str, both: Sequence[tuple[set[tuple[Finding, bool]], set[tuple[Finding, bool]]]]) -> Row:
        hits = [len(said & wanted) for said, wanted in both]
        return Row(images, name, measure, f1(hits, [len(said) for said, _ in both], [len(want) for _, want in both]))

    return [
        Row(images, name, "contradicts locked text", share([_contradicts(f) for f in done])),
        agreement("F1 of findings called or denied", pairs),
        agreement("F1 of findings called", positive),
        *_wording_rows(images, name, done, known),
    ]


def _wording_rows(images: str, name: str, done: Sequence[Filled], known: frozenset[str]) -> list[Row]:
    return [
        Row(images, name, "repeats a locked sentence", share([_repeats(f) for f in done])),
        Row(images, name, "a broken word", share([bool(broken_words(f.text, known)) for f in done])),
        Row(images, name, "no word at all", share([is_empty(f.text) for f in done])),
    ]


def _run_rows(done: Sequence[Filled]) -> list[Row]:
    images, subject = "all of these gaps", DIFFUSION
    drafts = [f.draft for f in done if f.draft]
    return [
        Row(images, subject, "locked text unchanged", share([f.unchanged for f in done])),
        Row(images, subject, "slot came back full and was widened", share([d.widenings > 0 for d in drafts])),
        Row(images, subject, "text cut off by its slot", share([bool(d.full) for d in drafts])),
        Row(images, subject, "does not end as a sentence", share([not f.text.endswith((".", "!", "?")) for f in done])),
        Row(images, subject, "exactly the sentence taken out", share([f.text == f.gaps.original for f in done])),
        Row(images, subject, "steps a draft (median)", median([d.steps for d in drafts])),
    ]


COMMAND = Task("infill", InfillSettings, measure, (PACK.optional(), REAL, OF_SIBLING, *MODEL, *DRAFTS)).command
