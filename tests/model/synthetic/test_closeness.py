"""The measure of closeness is counted by hand here, on sentences of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.sets.files import SetError
from model.synthetic.closeness import TrigramModel, closeness, main, read_reports, words_of, written_reports

REPORT = (
    "<eCitation><MedlineCitation><Article><Abstract>"
    '<AbstractText Label="INDICATION">cough of {number} days</AbstractText>'
    '<AbstractText Label="FINDINGS">{findings}</AbstractText>'
    '<AbstractText Label="IMPRESSION"/>'
    "</Abstract></Article></MedlineCitation></eCitation>"
)


def collection(folder: Path, findings: dict[int, str]) -> Path:
    folder.mkdir()
    for number, text in findings.items():
        (folder / f"{number}.xml").write_text(REPORT.format(number=number, findings=text), encoding="utf-8")
    return folder


def test_words_are_taken_sentence_by_sentence() -> None:
    text = "1. Well-expanded lungs. A 1.5 cm nodule, right base!\nHeart XXXX normal."
    assert words_of(text) == [
        ("well-expanded", "lungs"),
        ("a", "cm", "nodule", "right", "base"),
        ("heart",),
        ("normal",),
    ]


def test_shares_are_counted_by_token() -> None:
    real = [("the", "heart", "is", "large"), ("the", "heart", "is", "large"), ("clear", "lungs")]
    found = closeness(real, [("the", "heart", "is", "normal"), ("lungs", "clear")])
    assert found.real_words == 10
    assert found.words == pytest.approx(8 / 10)
    assert found.pairs == pytest.approx(4 / 7)
    assert found.missing_words == {"large": 2}
    assert found.missing_pairs == {("is", "large"): 2, ("clear", "lungs"): 1}


def test_what_is_all_known_is_closest_and_least_perplexing() -> None:
    written = [("no", "pleural", "effusion"), ("no", "pneumothorax"), ("the", "lungs", "are", "clear")]
    same, other = closeness(written, written), closeness([("clear", "the", "unheard", "are")], written)
    assert (same.words, same.pairs) == (1, 1)
    assert 1 < same.perplexity < 4 < other.perplexity


def test_the_trigram_model_spreads_all_of_its_mass() -> None:
    model = TrigramModel([("no", "effusion"), ("no", "effusion"), ("no", "edema")])
    known = ["no", "effusion", "edema", "</s>", "unheard"]
    for history in (("<s>", "<s>"), ("<s>", "no"), ("unheard", "no"), ("effusion", "edema"), ("x", "unheard")):
        assert sum(model.probability(history, word) for word in known) == pytest.approx(1)
    # Twice of three times after two words and after one; twice of nine tokens; one of four known words and one more.
    shares = 0.6 * 2 / 3 + 0.3 * 2 / 3 + 0.09 * 2 / 9 + 0.01 / 5
    assert model.probability(("<s>", "no"), "effusion") == pytest.approx(shares)
    # What never stood before a word says nothing of it: the rest shares out its weight.
    assert model.probability(("unheard", "x"), "no") == pytest.approx((0.09 * 3 / 9 + 0.01 / 5) / 0.1)


def test_only_even_reports_are_read(tmp_path: Path) -> None:
    folder = collection(tmp_path / "ecgen-radiology", {2: "Clear lungs.", 3: "Odd words.", 14: "Normal heart."})
    for given in (folder, tmp_path):
        texts = list(read_reports(given))
        assert sorted(text.strip() for text in texts) == ["Clear lungs.", "Normal heart."]
    with pytest.raises(SetError, match="even"):
        list(read_reports(collection(tmp_path / "odd", {5: "Odd words."})))


def test_written_reports_are_findings_and_impressions() -> None:
    texts = list(written_reports(60))
    assert texts == list(written_reports(60))
    assert len(set(texts)) > 55
    assert not any("indication" in text.lower() or "comparison:" in text.lower() for text in texts)


def test_the_command_prints_shares_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = collection(tmp_path / "reports", {4: "The heart is normal in size. Zyxwv lungs."})
    assert main(["--reports", str(folder), "--count", "300", "--missing", "5"]) == 0
    printed = capsys.readouterr().out
    assert "8 real words, 300 written reports" in printed
    assert "words 87.5%" in printed
    assert "zyxwv 1" in printed
    assert "zyxwv lungs 1" in printed


def test_the_command_refuses_a_folder_without_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reports", str(tmp_path)]) == 2
    assert "even" in capsys.readouterr().err
