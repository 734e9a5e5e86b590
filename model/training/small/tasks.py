"""Training tasks: a report with gaps cut into it, or a question, as drafting would ask; and as arrays for training.

The canvas is laid out by the code that lays out a radiologist's report, so that training and drafting agree to the
token. There is no task of its own for revising a text (the engine's `strength`): a revision pins the tokens that the
network finds likely where they stand and noises the others, which is a gap task of words among locked text; a wrong
word is unlikely where locked text or the image says otherwise, so it is among those written anew.

This module knows nothing of networks and optimisers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from drafting.report import Report, Span, State, hints_of
from drafting.study import StudyFacts
from model.engine.layout import GAP_IN_LINE, GAP_OF_SECTION, Place, lay_out
from model.network.loading import user_turn
from model.network.prefix import instruction
from model.network.tokens import BEGIN_IMAGE, BLANK, END_IMAGE, END_TURN, IMAGE, PAD
from model.synthetic.cases import SIDES, Case, visible
from model.synthetic.grammar import Sentence, WrittenReport, write_report
from model.synthetic.questions import Asked
from model.synthetic.strange import write_not_frontal
from model.training.small.hints import hinted

# 64 image tokens, their markers, and the longest instruction with a question.
PREFIX_LENGTH = 128
IMAGE_TOKENS = 64
# Tokens of an answer's slot, as the engine gives answers (`model.engine.local.ANSWER_WIDTH`).
ANSWER_WIDTH = 24
# The share of reports of which a part is shown, as of one in progress. Without them a gap behind a lone sentence was
# taken for the end of the report and came back as a full stop.
IN_PROGRESS = 0.2
# The share of reports of which one sentence was typed first and all behind it is open.
TYPED_FIRST = 0.12
# The share of reports that stand under a template's headings, where what is said allows it.
TEMPLATED = 0.12

Range = tuple[int, int]
Cut = Callable[[WrittenReport, Random], list[Range]]
"""(report, random) -> the ranges of its text that are opened, rising, no two touching."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of the network, and what it is to write.

    `sees`: the image is given. `question` is empty where a report is asked for; `indication` is empty where there is
    none. The open spans of `report` hold the wanted text; an answer is a report of one open span.
    """

    facts: StudyFacts
    indication: str
    question: str
    sees: bool
    report: Report


@dataclass(frozen=True, slots=True)
class Example:
    """One training example.

    `prefix`: (PREFIX_LENGTH,) token ids, after `prefix_length` of them padding that nothing attends to. Without an
    image the image's tokens stand there. `canvas`: (canvas_length,) the wanted ids; `pinned`: (canvas_length,) bool;
    what lies beyond `canvas_length` used positions is padding.
    """

    prefix: NDArray[np.int16]
    prefix_length: int
    canvas: NDArray[np.int16]
    pinned: NDArray[np.bool_]
    canvas_length: int


class Words:
    """Text -> token ids, fast: what a chat template puts around an instruction is looked up once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._core = tokenizer.backend_tokenizer
        mark = "\u0001"
        self._turns = {sees: user_turn(tokenizer, mark, sees).partition(mark)[::2] for sees in (False, True)}

    def encode(self, text: str) -> list[int]:
        """The token ids of a text. A special token's name in it becomes that token: only for text that we write."""
        ids: list[int] = self._core.encode(text, add_special_tokens=False).ids
        return ids

    def turn(self, told: str, sees: bool) -> list[int]:
        """The user's turn, as `model.network.loading.user_turn` has it, with the image's tokens where there is one."""
        before, after = self._turns[sees]
        ids = self.encode(f"{before}{told}{after}")
        if not sees:
            return ids
        at = ids.index(IMAGE)
        return [*ids[:at], BEGIN_IMAGE, *[IMAGE] * IMAGE_TOKENS, END_IMAGE, *ids[at + 1 :]]


def not_frontal_task(facts: StudyFacts, random: Random) -> Task:
    """The report of a picture that is no frontal chest radiograph, open as a whole or in its sections."""
    written = write_not_frontal(random)
    ranges = _whole(written, random) if random.random() < 0.3 else _sections(written, random)
    return Task(facts, "", "", True, opened(written.text, ranges))


def told_task(case: Case, shown: Case, random: Random) -> Task:
    """The report of a case of which the picture shows less: a locked sentence tells of the rest, and all else that
    speaks of it is open and must follow that sentence.

    `shown`: the case without what only the sentence tells.
    """
    written = _first_said(write_report(case, random), random) if random.random() < 0.5 else write_report(case, random)
    told = _keys_beyond(case, shown)
    tellers = [each for each in written.sentences if set(each.keys) & told]
    findings = [each for each in tellers if each.section == "findings"]
    kept = random.choice(findings or tellers) if tellers else random.choice(written.sentences)
    decided = set(kept.keys)
    # Else nothing that is open may speak of what neither the picture nor a locked sentence tells.
    unseen = [each for each in tellers if each is not kept and not set(each.keys) & told <= decided]
    locked = {id(kept), *map(id, unseen)}
    share = random.choice((1.0, 1.0, 0.6))
    ranges = [
        (each.start, each.end)
        for each in written.sentences
        if id(each) not in locked and (random.random() < share or set(each.keys) & told)
    ]
    ranges = _joined(_without_unseen(written, ranges), written, random)
    if not ranges:
        return report_task(shown, True, random)
    report = opened(written.text, ranges)
    return Task(facts_of(case), case.indication or "", "", True, report)


def _keys_beyond(case: Case, shown: Case) -> set[str]:
    """The keys of what a case has and `shown` has not."""
    keys: set[str] = set()
    for side in SIDES:
        ours, theirs = case.lung(side), shown.lung(side)
        pairs = {
            "effusion": (ours.effusion, theirs.effusion),
            "pneumothorax": (ours.pneumothorax, theirs.pneumothorax),
            "atelectasis": (ours.atelectasis, theirs.atelectasis),
            "opacity": (ours.opacities, theirs.opacities),
            "nodule": (ours.nodules, theirs.nodules),
        }
        for name, (own, other) in pairs.items():
            if own != other:
                keys |= {name, f"{name}_{side}", *({"mass", f"mass_{side}"} if name == "nodule" else ())}
    for name in ("cardiomegaly", "edema"):
        if getattr(case, name) != getattr(shown, name):
            keys.add(name)
    return keys


def _first_said(written: WrittenReport, random: Random) -> WrittenReport:
    """The report with one sentence of its findings said first, as who types what matters and leaves the rest."""
    findings = [each for each in written.sentences if each.section == "findings"]
    if len(findings) < 2:
        return written
    start, end = findings[0].start, findings[-1].end
    texts = [written.text[each.start : each.end] for each in findings]
    between = [written.text[a.end : b.start] for a, b in pairwise(findings)]
    first = random.randrange(1, len(findings))
    order = [first, *(number for number in range(len(findings)) if number != first)]
    text, moved = written.text[:start], []
    for place, number in enumerate(order):
        text += between[place - 1] if place else ""
        moved.append(replace(findings[number], start=len(text), end=len(text) + len(texts[number])))
        text += texts[number]
    assert len(text) == end
    others = [each for each in written.sentences if each.section != "findings"]
    sentences = sorted([*others, *moved], key=lambda each: each.start)
    return WrittenReport(text + written.text[end:], tuple(sentences))


def _joined(ranges: Sequence[Range], written: WrittenReport, random: Random) -> list[Range]:
    """Ranges with nothing but white space between them as one; half of the time those with a heading between, too."""
    with_headings = random.random() < 0.3
    joined: list[Range] = []
    for start, end in sorted(ranges):
        between = written.text[joined[-1][1] : start] if joined else ""
        sentence_between = joined and any(joined[-1][1] <= each.start < start for each in written.sentences)
        if joined and not sentence_between and ("\n" not in between or with_headings):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


# Headings of a template with a line for each organ, and the keys that belong to it.
_ORGANS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("Lines and tubes", "Devices", "Support devices", "Lines/tubes"),
        ("endotracheal_tube", "central_line", "nasogastric_tube", "pacemaker", "sternal_wires", "devices"),
    ),
    (
        ("Lungs", "Lungs and airways", "LUNGS", "Lung fields", "Lungs and airspaces"),
        ("lungs", "opacity", "nodule", "mass", "atelectasis", "edema"),
    ),
    (("Pleura", "Pleural spaces", "PLEURA", "Pleural space"), ("effusion", "pneumothorax", "tension", "diaphragm")),
    (
        ("Heart and mediastinum", "Heart", "Cardiomediastinal silhouette", "HEART AND MEDIASTINUM", "Heart size"),
        ("cardiomegaly", "mediastinum"),
    ),
    (("Bones", "Bones and soft tissues", "BONES", "Skeleton", "Osseous structures"), ("bones",)),
)


def _templated(written: WrittenReport, random: Random) -> tuple[WrittenReport, list[Range]] | None:
    """The report's findings under a template's headings, a line for each organ, and the ranges of those lines.

    None where the report has no findings, or says something that belongs to no organ's line.
    """
    findings = [each for each in written.sentences if each.section == "findings"]
    impression = [each for each in written.sentences if each.section == "impression"]
    lines: dict[int, list[Sentence]] = {}
    for each in findings:
        stems = [key.removesuffix("_right").removesuffix("_left") for key in each.keys]
        organ = next((number for number, (_, keys) in enumerate(_ORGANS) if stems and stems[0] in keys), None)
        if organ is None:
            return None
        lines.setdefault(organ, []).append(each)
    if len(lines) < 2:
        return None
    text = random.choice(("FINDINGS:\n", "Findings:\n", ""))
    if random.random() < 0.3:
        view = random.choice(("Single portable AP view of the chest.", "Frontal view of the chest."))
        text = f"TECHNIQUE:\n{view}\n\n{text}"
    sentences: list[Sentence] = []
    ranges: list[Range] = []
    for number, (headings, _) in enumerate(_ORGANS):
        own = lines.get(number, [])
        if not own:
            continue
        text += f"{random.choice(headings)}: "
        begin = len(text)
        for place, each in enumerate(own):
            text += " " if place else ""
            said = written.text[each.start : each.end]
            sentences.append(replace(each, start=len(text), end=len(text) + len(said)))
            text += said
        ranges.append((begin, len(text)))
        text += "\n"
    if impression:
        text += random.choice(("\nIMPRESSION:\n", "\nImpression:\n", "\nImpression: "))
        begin = len(text)
        for place, each in enumerate(impression):
            text += " " if place else ""
            said = written.text[each.start : each.end]
            sentences.append(replace(each, start=len(text), end=len(text) + len(said)))
            text += said
        ranges.append((begin, len(text)))
    return WrittenReport(text.rstrip(), tuple(sentences)), ranges


def facts_of(case: Case) -> StudyFacts:
    """What the header of a case's study would tell."""
    return StudyFacts(age=case.age, sex=case.sex, view=case.view)


def report_task(case: Case, sees: bool, random: Random, with_hints: bool = False) -> Task:
    """The report of a case with open spans cut into it, or a part of it, as of one in progress; with hints if wanted.

    Where the image is seen, what it does not show (`cases.visible`) is opened only where another sentence that stays
    locked says it too: from an image alone nobody could write it.
    """
    # Drawn in any case, so that hints change nothing else.
    is_templated, is_typed_first = random.random() < TEMPLATED, random.random() < TYPED_FIRST
    if is_templated and not with_hints:
        templated = _templated(write_report(visible(case), random), random)
        if templated is not None:
            written, ranges = templated
            # Most lines open, some already dictated.
            ranges = [each for each in ranges if random.random() < 0.8] or ranges
            return Task(facts_of(case), case.indication or "", "", sees, opened(written.text, ranges))
    if is_typed_first and not with_hints:
        # Only what the picture shows: all behind the sentence is to be written from it.
        written = _first_said(write_report(visible(case), random), random)
        first = next(each for each in written.sentences if each.section in ("findings", "impression"))
        ranges = _joined([(e.start, e.end) for e in written.sentences if e.start > first.start], written, random)
        if ranges:
            return Task(facts_of(case), case.indication or "", "", sees, opened(written.text, ranges))
    in_progress = random.random() < IN_PROGRESS
    cut = random.choice((_end, _end, _sentences, _phrases)) if in_progress else _cut(random)

    def opened_of(case: Case) -> tuple[WrittenReport, list[Range]]:
        written = write_report(case, random)
        if in_progress:
            written = _part(written, random)
        return written, cut(written, random)

    written, ranges = opened_of(case)
    if sees:
        ranges = _without_unseen(written, ranges)
    if not ranges:
        written, ranges = opened_of(visible(case))
    report = opened(written.text, ranges)
    if with_hints:
        report = hinted(report, written, random)
    return Task(facts_of(case), case.indication or "", "", sees, report)


def question_task(facts: StudyFacts, indication: str, asked: Asked, sees: bool) -> Task:
    """A question about a picture, its answer the only open span."""
    question, answer = asked
    return Task(facts, indication, question, sees, Report((Span("answer", answer, "open", "model"),)))


def opened(text: str, ranges: Sequence[Range]) -> Report:
    """A text as a report with `ranges` of it, rising and apart, open."""
    spans: list[Span] = []
    at = 0
    for start, end in ranges:
        if start > at:
            spans.append(_span(len(spans), text[at:start], "locked"))
        if end > start:
            spans.append(_span(len(spans), text[start:end], "open"))
        at = end
    if at < len(text):
        spans.append(_span(len(spans), text[at:], "locked"))
    return Report(tuple(spans))


def _span(number: int, text: str, state: State) -> Span:
    return Span(f"s{number}", text, state, "radiologist")


def _cut(random: Random) -> Cut:
    kind = random.random()
    shares: tuple[tuple[float, Cut], ...] = (
        (0.1, _whole),
        (0.34, _sections),
        (0.5, _section),
        (0.67, _sentences),
        (0.8, _said_elsewhere),
        (0.9, _phrases),
    )
    return next((cut for below, cut in shares if kind < below), _sentences_and_phrases)


def _whole(written: WrittenReport, random: Random) -> list[Range]:
    return [(0, len(written.text))]


def _sections(written: WrittenReport, random: Random) -> list[Range]:
    """The text of findings and impression, headings left out: what an empty report has open between its headings."""
    ranges: dict[str, Range] = {}
    for sentence in written.sentences:
        if sentence.section in ("findings", "impression"):
            start, end = ranges.get(sentence.section, (sentence.start, sentence.end))
            ranges[sentence.section] = (min(start, sentence.start), max(end, sentence.end))
    return sorted(ranges.values()) or _whole(written, random)


def _section(written: WrittenReport, random: Random) -> list[Range]:
    """The impression from the findings, or the findings from the impression."""
    return [random.choice(_sections(written, random))]


def _part(written: WrittenReport, random: Random) -> WrittenReport:
    """One to five sentences in a row, as they stand in a report that has just been begun, or its heading before them.

    Half begin where the report does.
    """
    count = len(written.sentences)
    first = 0 if random.random() < 0.5 else random.randrange(count)
    chosen = written.sentences[first : first + random.randint(1, 5)]
    start, end = 0 if first == 0 else chosen[0].start, chosen[-1].end
    moved = tuple(replace(each, start=each.start - start, end=each.end - start) for each in chosen)
    return WrittenReport(written.text[start:end], moved)


def _end(written: WrittenReport, random: Random) -> list[Range]:
    """The last sentences: what stands where a report is being written on."""
    count = min(random.choice((1, 1, 1, 2, 3)), len(written.sentences))
    return [(written.sentences[-count].start, written.sentences[-1].end)]


def _sentences(written: WrittenReport, random: Random) -> list[Range]:
    count = min(random.choice((1, 1, 1, 2, 2, 3, 4, 6)), len(written.sentences))
    return sorted((sentence.start, sentence.end) for sentence in random.sample(written.sentences, count))


def _said_elsewhere(written: WrittenReport, random: Random) -> list[Range]:
    """Sentences of which another one, which stays, decides what they must say: all but one of those on a matter.

    As chance cuts them these are few, and to agree with what is locked is the one thing asked of every draft.
    """
    by_key: dict[str, list[Range]] = {}
    for sentence in written.sentences:
        if sentence.section in ("findings", "impression"):
            for key in sentence.keys:
                by_key.setdefault(key, []).append((sentence.start, sentence.end))
    shared = [ranges for key, ranges in by_key.items() if len(ranges) > 1 and key not in _SAID_OF_MUCH]
    if not shared:
        return _sentences(written, random)
    ranges = random.choice(shared)
    kept = random.randrange(len(ranges))
    return sorted({each for number, each in enumerate(ranges) if number != kept})


# Keys of sentences that decide little of one another.
_SAID_OF_MUCH = frozenset(("change", "advice", "view", "comparison", "indication"))


def phrase_ranges(text: str, random: Random) -> list[Range]:
    """One to eight runs of one to six words of a text, no two touching."""
    starts = [index for index, c in enumerate(text) if c.isalnum() and (index == 0 or text[index - 1].isspace())]
    ranges: list[Range] = []
    for first in sorted(random.sample(range(len(starts)), min(random.randint(1, 8), len(starts)))):
        last = min(first + random.choice((0, 0, 1, 1, 2, 3, 5)), len(starts) - 1)
        end = starts[last]
        while end < len(text) and not text[end].isspace():
            end += 1
        # The sentence's full stop is sometimes the radiologist's, sometimes the model's.
        if text[end - 1] in ".,:;" and random.random() < 0.6:
            end -= 1
        if end > starts[first] and (not ranges or starts[first] > ranges[-1][1] + 1):
            ranges.append((starts[first], end))
    return ranges


def _phrases(written: WrittenReport, random: Random) -> list[Range]:
    return phrase_ranges(written.text, random)


def _sentences_and_phrases(written: WrittenReport, random: Random) -> list[Range]:
    whole = _sentences(written, random)[:3]
    apart = [
        (start, end)
        for start, end in _phrases(written, random)
        if all(end + 1 < other[0] or other[1] + 1 < start for other in whole)
    ]
    return sorted([*whole, *apart[:5]])


def _without_unseen(written: WrittenReport, ranges: Sequence[Range]) -> list[Range]:
    """`ranges` less those that open what no picture shows and no locked sentence says."""

    def touches(start: int, end: int, ranges: Sequence[Range]) -> bool:
        return any(start < stop and begin < end for begin, stop in ranges)

    locked = {
        key
        for sentence in written.sentences
        if not touches(sentence.start, sentence.end, ranges)
        for key in sentence.keys
    }
    unseen = [
        (sentence.start, sentence.end)
        for sentence in written.sentences
        if sentence.only_text and not {key for key in sentence.keys if _is_unseen(key)} <= locked
    ]
    return [(start, end) for start, end in ranges if not touches(start, end, unseen)]


def _is_unseen(key: str) -> bool:
    """Whether what a sentence speaks of is shown by no picture; see `grammar.Sentence.only_text`."""
    return key == "change" or key.startswith("other_")


def training_width(random: Random, most: int) -> Callable[[Place], int]:
    """Slot widths as drafting chooses them, and others, with at most `most` blanks.

    A gap's width so tells nothing of its text.
    """

    def width(place: Place) -> int:
        usual = GAP_OF_SECTION if place.own_lines else GAP_IN_LINE
        blanks = random.choice((0, random.randint(0, 8), random.randint(0, usual), max(usual - place.tokens, 0)))
        return place.tokens + min(blanks, most)

    return width


def answer_width(random: Random, most: int) -> Callable[[Place], int]:
    """The width of an answer's slot: mostly the engine's, and others."""

    def width(place: Place) -> int:
        usual = max(ANSWER_WIDTH - place.tokens, 0)
        return place.tokens + min(random.choice((usual, usual, random.randint(0, ANSWER_WIDTH))), most)

    return width


def example(task: Task, words: Words, canvas_length: int, random: Random) -> Example | None:
    """A task as arrays for the diffusion model; None where it does not fit."""
    turn = words.turn(instruction(task.facts, task.indication, task.question, hints_of(task.report)), task.sees)
    # Every example carries an image, so that all have one shape; where it is not to be seen, its tokens follow the
    # prefix, out of reach of what comes before and masked from the decoder.
    ids = turn if task.sees else [*turn, BEGIN_IMAGE, *[IMAGE] * IMAGE_TOKENS, END_IMAGE]
    if len(ids) > PREFIX_LENGTH:
        return None
    prefix = np.full(PREFIX_LENGTH, PAD, dtype=np.int16)
    prefix[: len(ids)] = ids

    room = canvas_length - 1
    tokens = sum(len(words.encode(span.text)) for span in task.report.spans)
    spare = (room - tokens - len(task.report.spans)) // len(task.report.open_spans)
    if spare < 0:
        return None
    width = (answer_width if task.question else training_width)(random, spare)
    layout = lay_out(task.report, words.encode, BLANK, room, width)
    wanted = [*layout.ids, END_TURN]
    if len(wanted) > canvas_length:
        return None
    canvas = np.full(canvas_length, PAD, dtype=np.int16)
    canvas[: len(wanted)] = wanted
    pinned = np.ones(canvas_length, dtype=np.bool_)
    pinned[: len(layout.pinned)] = layout.pinned
    return Example(prefix, len(turn), canvas, pinned, len(wanted))
