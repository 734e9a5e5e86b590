"""The default model as it is shipped: it loads whole, sees the picture, fills gaps and keeps to report language."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from drafting.desk.examples import examples
from drafting.engine import Draft, DraftSettings
from drafting.imaging.open import open_study
from drafting.report import merge_draft, parse_markup
from drafting.study import Study
from model.engine.local import LocalEngine
from model.evaluation.reading.statements import contradicts, statements
from model.evaluation.reports.gaps import written_gaps
from model.evaluation.reports.studies import HeldOut, finished
from model.network.loading import CHECKSUMS, DEFAULT_MODEL
from model.synthetic.cases import sample_case, visible

WHOLE = "FINDINGS:\n[[]]\n\nIMPRESSION:\n[[]]"


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return LocalEngine.load()


@pytest.fixture(scope="module")
def studies() -> dict[str, Study]:
    return {example.name: open_study(example.path) for example in examples()}


def drafted(engine: LocalEngine, study: Study | None, markup: str, seed: int) -> str:
    report = parse_markup(markup)
    steps = engine.draft(study, report, DraftSettings(seed=seed))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            draft: Draft = end.value
            return merge_draft(report, draft.texts).text


def test_the_shipped_files_keep_to_their_sizes() -> None:
    sizes = {path.name: path.stat().st_size for path in DEFAULT_MODEL.iterdir()}
    weights = {name: size for name, size in sizes.items() if name.endswith(".safetensors")}
    assert sum(weights.values()) <= 32_000_000
    assert sum(sizes.values()) - sum(weights.values()) <= 500_000
    assert max(sizes.values()) <= 16_000_000
    index = json.loads((DEFAULT_MODEL / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert set(weights) == set(index["weight_map"].values())


def test_every_shipped_file_that_loading_reads_has_a_checksum() -> None:
    summed = {line.split("  ")[1] for line in (DEFAULT_MODEL / CHECKSUMS).read_text(encoding="ascii").splitlines()}
    assert summed == {path.name for path in DEFAULT_MODEL.iterdir()} - {CHECKSUMS, "MODEL_CARD.md"}


def test_a_gap_never_comes_back_empty(engine: LocalEngine, studies: dict[str, Study]) -> None:
    for study in (None, studies["no-finding"]):
        for markup in ("No pneumothorax.[[]]", "First. [[]] Last.", "[[]]", "The heart is [[]]."):
            text = drafted(engine, study, markup, seed=3)
            assert len(text) > len(markup.replace("[[]]", "")), markup


def test_a_whole_draft_has_text_under_both_headings(engine: LocalEngine, studies: dict[str, Study]) -> None:
    for name, study in studies.items():
        findings, impression = drafted(engine, study, WHOLE, seed=1).split("\n\nIMPRESSION:\n")
        assert len(findings.split()) > 5, name
        assert impression.strip().endswith("."), name
        assert re.fullmatch(r"[\w\s.,;:()/'-]+", findings + impression), name


def test_the_model_looks_at_the_picture(engine: LocalEngine, studies: dict[str, Study]) -> None:
    # The child's pneumonia and the adult without a finding are told apart with every seed.
    for seed in range(3):
        ill = drafted(engine, studies["child-pneumonia"], WHOLE, seed)
        well = drafted(engine, studies["no-finding"], WHOLE, seed)
        assert re.search(r"opacit|pneumonia|infect|consolid|infiltrate", ill), ill
        assert re.search(r"clear|[Nn]o (focal|acute)|[Nn]ormal", well), well
        assert not re.search(r"pneumonia|infectious", well), well


def test_the_model_reads_what_is_locked_on_both_sides(engine: LocalEngine) -> None:
    """A small model errs now and then; docs/results/infill.json has how often. A coin would get six of twelve right."""
    right = 0
    for side in ("right", "left"):
        markup = f"There is a small [[]] pleural effusion.\n\nIMPRESSION:\nSmall {side} pleural effusion."
        right += sum(side in drafted(engine, None, markup, seed).split("IMPRESSION")[0] for seed in range(6))
    assert right >= 9


def test_gaps_say_what_the_rest_of_the_report_decides(engine: LocalEngine) -> None:
    """A guard, not the measurement: docs/results has that, with images, intervals and the aim."""
    gaps = []
    for number in range(40):
        random = Random(f"decided {number}")
        case = visible(sample_case(random))
        study = HeldOut(str(number), case, np.zeros((8, 8), dtype=np.uint8))
        gaps.append(next(replace(gap, study=None) for gap in written_gaps(study, random) if gap.decided))
    right = contradicting = 0
    for number, gap in enumerate(gaps):
        draft = engine.draft(None, gap.drafted_on, DraftSettings(number), gap.report.indication)
        text = finished(draft).texts["g0"]
        right += {told for told in statements(gap.original) if told[1]} <= statements(text)
        contradicting += contradicts(text, gap.section, gap.standing)
    assert right >= 28
    assert contradicting <= 2


def test_the_card_says_what_it_was_trained_on_and_what_it_is_not_for() -> None:
    card = (Path(DEFAULT_MODEL) / "MODEL_CARD.md").read_text(encoding="utf-8")
    for needed in ("Research use only", "not a medical device", "Kermany", "ChestX-ray14", "CC BY 4.0"):
        assert needed.lower() in card.lower(), needed
