"""Hints of training reports: of what the gap is about, true to what is wanted, no longer than a person's."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from drafting.report import MOST_HINT_CHARACTERS, hints_of
from model.network.prefix import instruction
from model.synthetic.cases import sample_case
from model.synthetic.grammar import Sentence
from model.training.small.fresh import fresh_tokenizer
from model.training.small.hints import MOST_MATTERS, hint_of
from model.training.small.tasks import Words, example, report_task


def hints(text: str, *keys: str) -> Counter[str]:
    sentence = Sentence(0, len(text), keys, "findings")
    return Counter(hint_of(text, [sentence], Random(seed)) for seed in range(400))


def test_a_hint_asks_or_says_what_is_wanted_in_several_ways() -> None:
    given = hints("There is a small left pleural effusion.", "effusion_left")
    assert len(given) > 15
    assert {"size of effusion?", "small left effusion", "effusion"} <= set(given)
    assert not any("right" in hint or "no " in hint or "large left" in hint for hint in given)
    assert all("effusion" in hint or "fluid" in hint for hint in given)


def test_a_hint_of_what_is_absent_says_so_and_one_of_both_sides_names_neither() -> None:
    absent = hints("No pneumothorax is seen.", "pneumothorax_right", "pneumothorax_left")
    assert {"no pneumothorax", "pneumothorax?"} <= set(absent)
    assert not any("left" in hint or "right" in hint for hint in absent)
    assert "bilateral effusion" in hints("Bilateral effusions.", "effusion_right", "effusion_left")
    assert "no effusion" in hints("The left costophrenic angle is sharp.", "effusion_left")
    unsure = hints("A small right effusion cannot be excluded.", "effusion_right")
    assert not any(hint.startswith(("no ", "small ", "there is ")) for hint in unsure)
    assert "normal heart" in hints("The heart is normal in size.", "cardiomegaly")


def test_a_gap_of_too_much_or_of_nothing_known_has_no_hint() -> None:
    matters = ("cardiomegaly", "bones", "edema", "lungs", "mediastinum")
    assert set(hints("All.", *matters[: MOST_MATTERS + 1])) == {""}
    assert set(hints("Words.")) == {""}
    assert all(hints("Some.", *matters[:MOST_MATTERS]))


def test_reports_with_hints_say_the_same_with_and_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kinds of reports that never have hints.
    monkeypatch.setattr("model.training.small.tasks.TEMPLATED", 0.0)
    monkeypatch.setattr("model.training.small.tasks.TYPED_FIRST", 0.0)
    counted = Counter[bool]()
    for seed in range(150):
        case = sample_case(Random(seed))
        hinted = report_task(case, True, Random(seed), with_hints=True).report
        plain = report_task(case, True, Random(seed)).report
        assert [(s.id, s.text, s.state) for s in hinted.spans] == [(s.id, s.text, s.state) for s in plain.spans]
        assert not hints_of(plain)
        assert all(len(hint) <= MOST_HINT_CHARACTERS for hint in hints_of(hinted))
        counted.update(bool(span.hint) for span in hinted.open_spans)
    assert counted[True] > 60
    assert counted[False] > 60


def test_the_hints_stand_in_the_prefix_of_an_example() -> None:
    random = Random(3)
    tasks = [report_task(sample_case(random), True, random, with_hints=True) for _ in range(60)]
    words = Words(fresh_tokenizer([task.report.text for task in tasks] * 2, 600))
    found = 0
    for task in tasks:
        told = instruction(task.facts, task.indication, "", hints_of(task.report))
        laid = example(task, words, 160, Random(0))
        if laid is None:
            continue
        turn = words.turn(told, task.sees)
        assert laid.prefix[: laid.prefix_length].tolist() == turn
        found += bool(hints_of(task.report))
    assert found > 5
