"""Attention maps of a text of a report."""

from __future__ import annotations

import numpy as np
import pytest

from drafting.engine import EngineError
from drafting.report import Report, Span, parse_markup
from drafting.study import Study, StudyFacts
from model.engine.local import LocalEngine
from model.network.loading import DraftingModel


def a_study(height: int = 90, width: int = 70) -> Study:
    picture = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    return Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60))


REPORT = parse_markup("FINDINGS:\n[[The heart is normal in size. The lungs are clear.]]\n\nIMPRESSION:\n[[]]")


@pytest.fixture(scope="module")
def engine(tiny_model: DraftingModel) -> LocalEngine:
    return LocalEngine(tiny_model)


def test_a_sentence_of_a_span_has_a_map_of_its_own(engine: LocalEngine) -> None:
    study = a_study()
    id = REPORT.open_spans[0].id
    first, second = ((0, 28), (29, 49))
    maps = [engine.looked(study, REPORT, id, part) for part in (first, second, None)]
    for one in maps:
        assert one.weights.min() >= 0
        assert 0 < one.weights.sum() < 1
        assert 0 < one.share < 1
    assert not np.allclose(maps[0].weights, maps[1].weights, atol=1e-5)
    again = engine.looked(study, REPORT, id, first)
    assert np.array_equal(again.weights, maps[0].weights)
    # Whether the space before a sentence is asked for with it makes no difference.
    assert np.array_equal(engine.looked(study, REPORT, id, (28, 49)).weights, maps[1].weights)


def test_a_report_longer_than_the_canvas_is_looked_at_around_the_text(engine: LocalEngine) -> None:
    many = " The lungs are clear." * 60
    spans = (Span("a", many, "locked", "radiologist"), Span("b", " The heart is normal.", "open", "model"))
    assert engine.looked(a_study(), Report(spans), "b").weights.any()
    with pytest.raises(EngineError, match="longer"):
        engine.looked(a_study(), Report((Span("c", many, "open", "model"), spans[0])), "c")


def test_where_there_is_nothing_to_look_for_it_is_said(engine: LocalEngine) -> None:
    heading, text, _, gap = REPORT.spans
    for id, part in ((gap.id, None), (heading.id, None), ("gone", None), (text.id, (5, 5)), (text.id, (900, 950))):
        with pytest.raises(EngineError, match="no text"):
            engine.looked(a_study(), REPORT, id, part)
    with pytest.raises(EngineError, match="Open a study first"):
        engine.looked(None, REPORT, text.id)


def test_the_sentence_alone_in_its_report_is_compared_with_the_scaffold(engine: LocalEngine) -> None:
    alone = Report((Span("a", "The heart is large é😀.", "open", "model"),))
    assert engine.looked(a_study(), alone, "a").weights.any()
