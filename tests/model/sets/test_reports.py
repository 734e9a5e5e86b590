"""Sets of reports in their owners' layouts. All reports here are written for these tests."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drafting.study import StudyFacts
from model.__main__ import main
from model.sets.files import SetError
from model.sets.reports import load_reports, read_open_i
from model.sets.sections import Sections, sections_of

FINAL = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  History: ___F with cough  // pneumonia?

 TECHNIQUE:  Chest PA and lateral

 COMPARISON:  ___

 FINDINGS:

 The heart is
 large.

 No effusion.

 IMPRESSION:

 1. Cardiomegaly.
 2. No effusion.
"""


def picture(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)).save(path)
    return path


def lines(path: Path, *held: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in held)
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    return path


def test_a_final_report_has_its_three_sections() -> None:
    wanted = Sections(
        "The heart is large. No effusion.",
        "1. Cardiomegaly. 2. No effusion.",
        "History: ___F with cough // pneumonia?",
    )
    assert sections_of(FINAL) == wanted
    assert sections_of(FINAL.replace("\n", "\r\n")) == wanted
    assert wanted.text() == (
        "FINDINGS:\nThe heart is large. No effusion.\n\nIMPRESSION:\n1. Cardiomegaly. 2. No effusion."
    )


@pytest.mark.parametrize(
    ("text", "findings", "impression"),
    [
        # A title is no finding; the views that name one are.
        ("\n CHEST, TWO VIEWS:\n\n INDICATION: Cough.\n\n FINDINGS: Clear.", "Clear.", ""),
        ("\n HISTORY: Cough.\n\n PORTABLE AP CHEST: Clear lungs.", "Clear lungs.", ""),
        ("\n FINDINGS: Old.\n\n FINDINGS: New.\n\n FINDINGS:\n", "New.", ""),
        ("\n FINDINGS AND IMPRESSION: Clear.", "", "Clear."),
        ("\n IMPRESSOIN: Clear.\n", "", "Clear."),
        ("\n FINDNGS: Large heart.\n CONCLUSION: Stable.", "Large heart.", "Stable."),
        # No such section: what follows the first blank line of the last one.
        ("\n COMPARISON: None.\n \n Clear lungs.\n \n Small heart.", "Clear lungs. Small heart.", ""),
        ("\n COMPARISON: None.", "", ""),
        ("Clear lungs.\n\nNo effusion.", "Clear lungs. No effusion.", ""),
        ("", "", ""),
        # Neither a word in small letters nor a time opens a section.
        ("\n FINDINGS: The lungs: clear.\n at 11:30: stable.", "The lungs: clear. at 11:30: stable.", ""),
        ("\n FINDINGS: Größe unverändert — “stabil”.", "Größe unverändert — “stabil”.", ""),
    ],
)
def test_sections_are_told_by_their_headings(text: str, findings: str, impression: str) -> None:
    found = sections_of(text)
    assert (found.findings, found.impression) == (findings, impression)


def test_reports_in_json_lines(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png", 1)
    lines(
        tmp_path / "mine.jsonl",
        {
            "id": 7,
            "images": ["a/1.png", "a/2.png"],
            "report": "FINDINGS: Clear.\nIMPRESSION: Normal.",
            "split": "validate",
        },
        "",
        {"id": "ß", "images": [], "report": "Nur Text.", "indication": "Husten", "age": 60, "sex": "f", "view": "PA"},
        {"id": "7", "images": [], "findings": "Clear.", "impression": ""},
    )
    lines(tmp_path / "test.jsonl", {"id": "t", "images": [], "report": ""})
    loaded = load_reports(tmp_path)
    one, two, three, four = loaded.reports
    assert (loaded.name, loaded.parts) == ("jsonl", ("validation", "test", "all"))
    assert (one.id, one.findings, one.impression, one.text[:9]) == ("7", "Clear.", "Normal.", "FINDINGS:")
    assert one.images == (tmp_path / "a" / "1.png", tmp_path / "a" / "2.png")
    assert (two.text, two.findings, two.indication) == ("Nur Text.", "Nur Text.", "Husten")
    assert two.facts == StudyFacts(age=60, sex="F", view="PA")
    assert (three.id, three.text) == ("7#2", "FINDINGS:\nClear.")
    assert (four.part, four.text) == ("test", "")
    assert loaded.missing_images() == ("a/2.png",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "not an object"),
        ({"images": [], "report": ""}, "no key 'id'"),
        ({"id": "1", "report": ""}, "'images' is not a list"),
        ({"id": "1", "images": "a.png", "report": ""}, "'images' is not a list"),
        ({"id": "1", "images": [1], "report": ""}, "'images' is not a list"),
        ({"id": "1", "images": []}, "no key 'report'"),
        (r'{"id": "1", "images": ["\ud800"], "report": ""}', "half of a surrogate pair"),
        ({"id": "1", "images": [], "report": None}, "'report' is not a text"),
        ({"id": "1", "images": [], "report": "", "split": "holdout"}, "'holdout' is not a split"),
        ({"id": "1", "images": [], "report": "", "age": "old"}, "'age' is not"),
        ({"id": "1", "images": [], "report": "", "sex": "unknown"}, "'sex' is"),
    ],
)
def test_a_broken_line_is_told_by_its_number(line: Any, said: str, tmp_path: Path) -> None:
    lines(tmp_path / "mine.jsonl", line)
    with pytest.raises(SetError, match=said) as raised:
        load_reports(tmp_path)
    assert "mine.jsonl, line 1" in str(raised.value)


def mimic(folder: Path, zipped: bool = False) -> Path:
    """Two studies of one patient and one of another, with both tables."""
    for name, text in (("p10/p10000032/s50", FINAL), ("p10/p10000032/s51", ""), ("p11/p11000001/s60", FINAL)):
        path = folder / "files" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    picture(folder / "files" / "p10/p10000032/s50/lateral.jpg", 1)
    picture(folder / "files" / "p10/p10000032/s50/frontal.jpg", 2)
    metadata = "dicom_id,subject_id,study_id,ViewPosition\nlateral,10000032,50,LATERAL\nfrontal,10000032,50,PA\n"
    metadata += "gone,11000001,60,\n"
    split = "dicom_id,study_id,subject_id,split\nlateral,50,10000032,train\nfrontal,50,10000032,train\n"
    split += "gone,60,11000001,validate\n"
    for name, table in (("metadata", metadata), ("split", split)):
        path = folder / f"mimic-cxr-2.0.0-{name}.csv"
        if zipped:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(table.encode(), mtime=0))
        else:
            path.write_text(table, encoding="utf-8")
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_mimic_cxr_is_read_with_its_tables(zipped: bool, tmp_path: Path) -> None:
    loaded = load_reports(mimic(tmp_path, zipped))
    one, two, three = loaded.reports
    assert loaded.name == "mimic_cxr"
    assert [report.id for report in loaded.reports] == ["s50", "s51", "s60"]
    assert [report.part for report in loaded.reports] == ["train", "all", "validation"]
    # Frontal first.
    assert [image.name for image in one.images] == ["frontal.jpg", "lateral.jpg"]
    assert one.facts.view == "PA"
    assert one.text.startswith("FINDINGS:\nThe heart is large.")
    assert (two.text, two.images) == ("", ())
    assert three.facts.view is None
    assert loaded.missing_images() == ("files/p11/p11000001/s60/gone.jpg",)


def test_mimic_cxr_without_tables_and_with_the_reports_in_a_folder_of_their_own(tmp_path: Path) -> None:
    mimic(tmp_path)
    for table in tmp_path.glob("*.csv"):
        table.unlink()
    (tmp_path / "mimic-cxr-reports" / "files" / "p10" / "p10000032").mkdir(parents=True)
    for path in (tmp_path / "files" / "p10" / "p10000032").glob("*.txt"):
        path.rename(tmp_path / "mimic-cxr-reports" / "files" / "p10" / "p10000032" / path.name)
    loaded = load_reports(tmp_path)
    assert loaded.parts == ("all",)
    (one,) = [report for report in loaded.reports if report.id == "s50"]
    assert [image.name for image in one.images] == ["frontal.jpg", "lateral.jpg"]
    assert loaded.missing_images() == ()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("mimic-cxr-2.0.0-split.csv", b"study_id\n1\n", "no column split"),
        ("mimic-cxr-2.0.0-split.csv", b"", "no column study_id"),
        ("mimic-cxr-2.0.0-split.csv", b"study_id,split\n1\n", "line 2 is incomplete"),
        ("mimic-cxr-2.0.0-split.csv", b"study_id,split\n1,train\n1,test\n", "in two splits"),
        ("mimic-cxr-2.0.0-split.csv", b"study_id,split\n1,holdout\n", "'holdout' is not a split"),
        ("mimic-cxr-2.0.0-metadata.csv", b"\xff\xff", "not UTF-8"),
        ("mimic-cxr-2.0.0-metadata.csv.gz", b"not gzip", "cannot be read"),
        ("mimic-cxr-2.0.0-metadata.csv.gz", gzip.compress(b"a" * 1000, mtime=0)[:20], "cannot be read"),
    ],
)
def test_a_broken_table_is_told_by_its_name(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    mimic(tmp_path)
    for table in tmp_path.glob("*.csv"):
        table.unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SetError, match=said) as raised:
        load_reports(tmp_path)
    assert name in str(raised.value)


def open_i(path: Path, images: tuple[str, ...] = (), **sections: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(f"<AbstractText Label='{name.upper()}'>{text}</AbstractText>" for name, text in sections.items())
    shown = "".join(f"<parentImage id='{name}'><caption/></parentImage>" for name in images)
    path.write_text(f"<eCitation><Abstract>{body}</Abstract>{shown}</eCitation>", encoding="utf-8")
    return path


def test_open_i_is_read_with_its_images(tmp_path: Path) -> None:
    folder = tmp_path / "ecgen-radiology"
    open_i(folder / "10.xml", ("CXR10_IM-1",), findings=" Clear\n lungs. ", impression="Normal.", indication="Cough")
    open_i(folder / "9.xml", ("CXR9_IM-1", "../../etc/CXR9_IM-2"), findings="", impression="Normal.")
    picture(tmp_path / "NLMCXR_png" / "CXR10_IM-1.png", 1)
    loaded = load_reports(tmp_path)
    nine, ten = loaded.reports
    assert (loaded.name, loaded.parts) == ("open_i", ("all",))
    assert ten.text == "FINDINGS:\nClear lungs.\n\nIMPRESSION:\nNormal."
    assert (ten.id, ten.indication) == ("10", "Cough")
    assert ten.images == (tmp_path / "NLMCXR_png" / "CXR10_IM-1.png",)
    assert nine.text == "IMPRESSION:\nNormal."
    assert loaded.missing_images() == ("NLMCXR_png/CXR9_IM-1.png", "NLMCXR_png/CXR9_IM-2.png")


@pytest.mark.parametrize(
    "content", [b"", b"not XML", b"<a><b></a>", b"<a/>", b'<?xml version="1.0" encoding="no"?><a/>']
)
def test_what_is_no_report_of_open_i_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_bytes(content)
    with pytest.raises(SetError, match=r"1\.xml"):
        read_open_i(tmp_path / "1.xml")
    with pytest.raises(SetError, match=r"1\.xml"):
        load_reports(tmp_path)


def test_what_is_no_set_or_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetError, match="no set of reports"):
        load_reports(tmp_path)
    with pytest.raises(SetError, match="not a folder"):
        load_reports(tmp_path / "nowhere")
    lines(tmp_path / "empty.jsonl")
    with pytest.raises(SetError, match="no report"):
        load_reports(tmp_path)
    open_i(tmp_path / "2.xml", findings="Clear.")
    with pytest.raises(SetError, match="jsonl and open_i"):
        load_reports(tmp_path)
    assert len(load_reports(tmp_path, "open_i").reports) == 1
    with pytest.raises(SetError, match="Unknown format"):
        load_reports(tmp_path, "padchest")


def test_the_command_tells_what_reports_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        picture(tmp_path / "images" / f"{number}.png", number)
    lines(
        tmp_path / "all.jsonl",
        {"id": "1", "images": ["images/0.png", "images/1.png"], "report": "FINDINGS: Clear.", "split": "train"},
        {"id": "2", "images": ["images/1.png"], "report": "findings:  clear.", "split": "test"},
        {"id": "3", "images": ["images/2.png"], "report": "IMPRESSION: Normal.", "split": "test"},
        {"id": "4", "images": [], "report": "", "split": "test"},
    )
    assert main(["data", str(tmp_path), "--json", str(tmp_path / "told.json")]) == 0
    printed = capsys.readouterr().out
    assert "train: 1 reports (1 with findings, 0 with an impression, 0 without words, 0 without images)" in printed
    assert "test: 3 reports (1 with findings, 1 with an impression, 1 without words, 1 without images)" in printed
    assert "LEAK: 1 images of test are in train too (1 by name), which 1 of 3 of test are about" in printed
    (leak,) = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))["leaks"]
    assert (leak["touched"], leak["texts"], leak["repeated"]) == (["2"], [["1", "2"]], ["2"])
