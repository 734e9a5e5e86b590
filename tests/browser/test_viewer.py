"""A radiologist at the image: turns, windows, measures, series and priors, in a real browser."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drafting.desk.examples import FOLDER
from tests.browser.conftest import Desk
from tests.drafting.imaging.files import dicom_dataset, saved

EFFUSION = FOLDER / "effusion.dcm"
FILES = "input[type=file]:not([data-for])"
PRIOR = "input[data-for=prior]"

# On a copy of one pixel: Chromium warns who reads a canvas often.
GRAY = """(canvas, [x, y]) => {
    const one = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    one.drawImage(canvas, -Math.floor(x * canvas.width), -Math.floor(y * canvas.height));
    return one.getImageData(0, 0, 1, 1).data[0];
}"""


def radiograph(path: Path, **attributes: Any) -> Path:
    """100 x 100 pixels whose left upper quarter is white."""
    pixels = np.zeros((100, 100), np.uint16)
    pixels[:50, :50] = 4095
    window = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096}
    return saved(dicom_dataset(pixels, **(window | {"Modality": "DX"} | attributes)), path)


def series(folder: Path, count: int = 5) -> list[Path]:
    """Images of a CT that grow brighter with their Instance Number, their names in the other order."""
    place = {"Modality": "CT", "SeriesNumber": 1, "WindowCenter": 500, "WindowWidth": 1000}
    return [
        saved(
            dicom_dataset(np.full((8, 8), 200 * n, np.uint16), InstanceNumber=n, **place),
            folder / f"{count - n}",
        )
        for n in range(count)
    ]


class Viewer:
    """What a person does and sees at the image."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.page = desk.page
        self.pane = self.page.locator(".pane").first
        self.canvas = self.pane.locator(".picture")

    def open(self, *paths: Path) -> Viewer:
        with self.page.expect_response("**/desk/pictures/0"):
            self.page.set_input_files(FILES, list(paths))
        self.page.locator(".stage[data-state=study]").wait_for()
        self.settle()
        return self

    def open_prior(self, *paths: Path) -> None:
        with self.page.expect_response("**/desk/prior/pictures/0"):
            self.page.set_input_files(PRIOR, list(paths))
        self.page.locator(".side.prior").wait_for()
        self.settle()

    def settle(self) -> None:
        self.page.evaluate(
            """() => new Promise((done) =>
                setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 200))"""
        )

    def press(self, *keys: str) -> None:
        self.canvas.focus()
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def point(self, x: float, y: float) -> tuple[float, float]:
        box = self.canvas.bounding_box()
        assert box
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, start: tuple[float, float], end: tuple[float, float], button: str = "left") -> None:
        self.page.mouse.move(*self.point(*start))
        self.page.mouse.down(button=button)
        self.page.mouse.move(*self.point(*end), steps=4)
        self.page.mouse.up(button=button)
        self.settle()

    def gray(self, x: float, y: float, pane: int = 0) -> int:
        return self.page.locator(".pane .picture").nth(pane).evaluate(GRAY, [x, y])

    def quarters(self) -> list[bool]:
        """Whether the quarters of a square picture that fits are white: left and right upper, left and right lower."""
        return [self.gray(x, y) > 128 for y in (0.35, 0.65) for x in (0.35, 0.65)]

    def letters(self) -> dict[str, str]:
        return {
            edge: self.pane.locator(f".letter.{edge}").text_content()
            for edge in ("left", "right", "top", "bottom")
            if self.pane.locator(f".letter.{edge}").is_visible()
        }

    def zoom(self, pane: int = 0) -> int:
        text = self.page.locator(".pane .bottom-right").nth(pane).text_content() or ""
        return int(text.split(" %")[0])

    def measured(self) -> list[str]:
        return self.pane.locator(".measure text").all_text_contents()

    def window(self) -> str:
        return self.page.get_by_label("Window", exact=True).evaluate("(one) => one.selectedOptions[0].textContent")


@pytest.fixture
def viewer(desk: Desk) -> Viewer:
    return Viewer(desk)


def test_flips_and_turns_take_the_letters_along(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1", PatientOrientation=["L", "F"]))
    assert viewer.quarters() == [True, False, False, False]
    assert viewer.letters() == {"left": "R", "right": "L", "top": "H", "bottom": "F"}
    viewer.press("h")
    assert viewer.quarters() == [False, True, False, False]
    assert viewer.letters() == {"left": "L", "right": "R", "top": "H", "bottom": "F"}
    assert viewer.pane.get_by_text("Mirrored").is_visible()
    viewer.press("r")
    assert viewer.quarters() == [False, False, False, True]
    assert viewer.letters()["right"] == "H"
    viewer.press("t")
    assert viewer.letters() == {}
    assert viewer.pane.get_by_text("Mirrored").is_visible()
    viewer.press("t", "v", "l")
    assert viewer.quarters() == [True, False, False, False]
    viewer.desk.button("Rotate left").click()
    viewer.desk.button("Reset").click()
    viewer.settle()
    assert viewer.letters() == {"left": "R", "right": "L", "top": "H", "bottom": "F"}
    assert not viewer.pane.get_by_text("Mirrored").is_visible()


def test_nothing_is_said_of_sides_and_sizes_that_the_file_does_not_tell(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1"))
    assert viewer.letters() == {}
    assert not viewer.pane.locator(".scale").is_visible()


def test_the_scale_bar_is_as_long_as_it_says(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1", Modality="CT", PixelSpacing=[0.5, 0.5]))
    for keys in ((), ("+", "+")):
        viewer.press(*keys)
        name = viewer.pane.locator(".scale-name").inner_text()
        number, unit = name.split()
        millimetres = float(number) * {"mm": 1, "cm": 10}[unit]
        box = viewer.pane.locator(".scale-bar").bounding_box()
        assert box
        # The zoom is shown in whole percent.
        assert box["width"] == pytest.approx(millimetres / 0.5 * viewer.zoom() / 100, rel=0.02, abs=2)


def test_the_overlay_tells_the_study_and_never_the_patient_and_can_be_switched_off(
    viewer: Viewer, tmp_path: Path
) -> None:
    person = {"PatientName": "Doe^Jane", "PatientID": "4711", "PatientBirthDate": "19500102"}
    told = {"StudyDescription": "Chest PA", "ViewPosition": "PA", "ImagerPixelSpacing": [0.2, 0.2]}
    viewer.open(radiograph(tmp_path / "1", **person, **told))
    text = viewer.pane.inner_text()
    for expected in ("Chest PA", "DX · PA", "C 2048  W 4096", "2 mm at detector", "100 × 100"):
        assert expected in text
    for private in ("Doe", "Jane", "4711", "1950"):
        assert private not in viewer.page.content()
    viewer.desk.button("Overlay").click()
    viewer.settle()
    assert viewer.pane.inner_text().strip() == ""


def test_what_is_written_over_a_white_picture_can_be_read(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1", PhotometricInterpretation="MONOCHROME1", PatientOrientation=["L", "F"]))
    for name in (".top-left", ".bottom-left", ".bottom-right", ".letter.left"):
        ink, ground = viewer.pane.locator(name).evaluate(
            "(one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]"
        )
        assert contrast(numbers(ink), over_white(numbers(ground))) >= 4.5, name


def numbers(colour: str) -> list[float]:
    return [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")]


def over_white(colour: list[float]) -> list[float]:
    red, green, blue, *alpha = colour
    share = alpha[0] if alpha else 1.0
    return [share * part + (1 - share) * 255 for part in (red, green, blue)]


def contrast(one: list[float], other: list[float]) -> float:
    """WCAG 2.1's contrast ratio."""

    def luminance(colour: list[float]) -> float:
        red, green, blue = (((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour[:3])
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_windows_have_keys_and_names_and_a_drag_makes_another(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1", WindowCenterWidthExplanation="THORAX"))
    assert viewer.window() == "1  THORAX"
    viewer.press("2")
    assert viewer.window() == "2  High contrast"
    viewer.drag((0.5, 0.5), (0.6, 0.5))
    assert viewer.window() == "Custom"
    viewer.press("1", "i")
    assert viewer.quarters() == [False, True, True, True]
    assert viewer.desk.button("Invert").get_attribute("aria-pressed") == "true"


def test_actual_size_fit_and_zoom_to_the_cursor(viewer: Viewer) -> None:
    viewer.open(EFFUSION)
    fitted = viewer.zoom()
    viewer.press("a")
    assert viewer.zoom() == 100
    viewer.press("f")
    assert viewer.zoom() == fitted
    viewer.press("m")
    viewer.drag((0.3, 0.4), (0.6, 0.4))
    before = viewer.pane.locator(".measure circle").first.bounding_box()
    viewer.page.mouse.move(*viewer.point(0.3, 0.4))
    viewer.page.mouse.wheel(0, -300)
    viewer.settle()
    after = viewer.pane.locator(".measure circle").first.bounding_box()
    assert before
    assert after
    assert viewer.zoom() > 1.5 * fitted
    assert abs(after["x"] - before["x"]) < 2
    assert abs(after["y"] - before["y"]) < 2


def test_the_magnifier_shows_what_is_under_the_pointer(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1"))
    viewer.press("z")
    viewer.page.mouse.move(*viewer.point(0.35, 0.35))
    viewer.settle()
    lens = viewer.pane.locator(".lens")
    assert lens.is_visible()
    assert lens.evaluate(GRAY, [0.5, 0.5]) == 255
    viewer.page.mouse.move(*viewer.point(0.65, 0.65))
    viewer.settle()
    assert lens.evaluate(GRAY, [0.5, 0.5]) == 0
    viewer.page.keyboard.press("Escape")
    viewer.settle()
    assert not lens.is_visible()


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ({"Modality": "CT", "PixelSpacing": [0.5, 0.5]}, "20.0 mm"),
        ({"ImagerPixelSpacing": [0.5, 0.5]}, "20.0 mm at detector"),
        ({}, "40 px"),
    ],
)
def test_a_length_is_measured_moved_and_deleted(
    viewer: Viewer, tmp_path: Path, spacing: dict[str, Any], words: str
) -> None:
    viewer.open(radiograph(tmp_path / "1", **spacing))
    box = viewer.canvas.bounding_box()
    assert box
    # The picture's 100 columns fill the shorter side.
    part = 0.4 * min(box["width"], box["height"]) / box["width"]
    viewer.press("m")
    viewer.drag((0.3, 0.5), (0.3 + part, 0.5))
    assert viewer.measured() == [words]
    viewer.press("m")
    window = viewer.pane.locator(".bottom-left").inner_text()
    viewer.drag((0.3 + part / 2, 0.5), (0.3 + part / 2, 0.6))
    assert viewer.measured() == [words]
    viewer.drag((0.3, 0.6), (0.3 + part / 2, 0.6))
    assert float(viewer.measured()[0].split()[0]) == pytest.approx(float(words.split()[0]) / 2, rel=0.03)
    assert viewer.pane.locator(".bottom-left").inner_text() == window
    viewer.press("+", "r", "h")
    assert float(viewer.measured()[0].split()[0]) == pytest.approx(float(words.split()[0]) / 2, rel=0.03)
    viewer.press("Delete")
    assert viewer.measured() == []


def test_an_angle_takes_a_drag_and_a_press(viewer: Viewer) -> None:
    viewer.open(EFFUSION)
    viewer.press("n")
    viewer.drag((0.3, 0.5), (0.5, 0.5))
    viewer.page.mouse.move(*viewer.point(0.5, 0.4))
    viewer.page.mouse.click(*viewer.point(0.5, 0.3))
    viewer.settle()
    assert float(viewer.measured()[0].removesuffix("°")) == pytest.approx(90, abs=0.3)
    viewer.drag((0.2, 0.2), (0.4, 0.2))
    viewer.page.keyboard.press("Escape")
    viewer.settle()
    assert len(viewer.measured()) == 1


def test_pixels_that_are_not_square_are_shown_in_their_shape(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1", Modality="CT", PixelSpacing=[1.0, 0.5]))
    viewer.press("m")
    box = viewer.canvas.bounding_box()
    assert box
    down = 0.2 * box["width"] / box["height"]
    viewer.drag((0.4, 0.4), (0.6, 0.4))
    viewer.drag((0.4, 0.45), (0.4, 0.45 + down))
    across, along = (float(words.split()[0]) for words in viewer.measured())
    assert along == pytest.approx(across, rel=0.02)


def test_several_files_are_a_series_in_its_own_order(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(*series(tmp_path))
    name = viewer.pane.locator(".frame-name")
    assert name.inner_text() == "Image 1 / 5"
    assert viewer.gray(0.5, 0.5) == 0
    viewer.page.mouse.move(*viewer.point(0.5, 0.5))
    viewer.page.mouse.wheel(0, 60)
    viewer.settle()
    assert name.inner_text() == "Image 2 / 5"
    seen = [viewer.gray(0.5, 0.5)]
    for _ in range(3):
        viewer.press("ArrowRight")
        seen.append(viewer.gray(0.5, 0.5))
    assert seen == sorted(set(seen))
    assert name.inner_text() == "Image 5 / 5"
    assert viewer.pane.get_by_text("The model sees image 1 only").is_visible()
    viewer.pane.get_by_role("slider", name="Image of the study").fill("1")
    viewer.settle()
    assert viewer.gray(0.5, 0.5) == 0


def test_cine_plays_at_its_speed_and_stops_for_a_hand(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(*series(tmp_path))
    viewer.page.evaluate(
        """() => {
            window.shown = [];
            const name = document.querySelector(".frame-name");
            new MutationObserver(() => shown.push([performance.now(), name.textContent]))
                .observe(name, {childList: true});
        }"""
    )
    viewer.pane.get_by_label("Cine speed").select_option("10")
    viewer.desk.button("Play").click()
    viewer.page.wait_for_timeout(1600)
    viewer.desk.button("Pause").click()
    shown = viewer.page.evaluate("() => window.shown")
    assert [name for _, name in shown][:6] == [f"Image {n} / 5" for n in (2, 3, 4, 5, 1, 2)]
    assert 85 <= (shown[-1][0] - shown[0][0]) / (len(shown) - 1) <= 150
    viewer.page.wait_for_timeout(300)
    assert len(viewer.page.evaluate("() => window.shown")) <= len(shown) + 1


def test_a_zip_is_a_series_and_what_it_held_besides_is_said(viewer: Viewer, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for path in series(tmp_path, 3):
            archive.write(path, path.name)
        archive.writestr("readme.txt", "Dear colleague, " * 40)
    viewer.open(tmp_path / "study.zip")
    assert viewer.pane.locator(".frame-name").inner_text() == "Image 1 / 3"
    assert viewer.page.get_by_text("1 of 4 files was not opened.").is_visible()


def test_a_prior_lies_beside_the_study_and_is_gone_when_it_is_closed(viewer: Viewer, tmp_path: Path) -> None:
    viewer.open(radiograph(tmp_path / "1"))
    viewer.open_prior(radiograph(tmp_path / "2", PhotometricInterpretation="MONOCHROME1"))
    assert [viewer.gray(0.5, 0.6), viewer.gray(0.5, 0.6, pane=1)] == [0, 255]
    assert viewer.zoom() == viewer.zoom(1)
    viewer.press("+", "+")
    assert viewer.zoom() == viewer.zoom(1)
    before = viewer.gray(0.3, 0.3, pane=1)
    viewer.drag((0.1, 0.1), (0.7, 0.4), button="right")
    assert (viewer.gray(0.6, 0.6), viewer.gray(0.6, 0.6, pane=1)) == (255, 0)
    assert before == 0 or viewer.gray(0.3, 0.3, pane=1) != 255
    prior = viewer.page.locator(".pane .picture").nth(1)
    with viewer.page.expect_response(
        lambda answer: answer.request.method == "DELETE" and answer.url.endswith("/desk/prior")
    ):
        viewer.desk.button("Close prior study").click()
    viewer.settle()
    assert not prior.is_visible()
    assert prior.evaluate("(one) => one.width * one.height") == 0
    token = viewer.desk.tokens[-1]
    status = viewer.page.evaluate(
        "(token) => fetch('desk/prior/pictures/0', {headers: {'X-Desk': token}}).then((answer) => answer.status)", token
    )
    assert status == 404


def test_a_second_file_while_one_is_opening_is_refused_in_words(viewer: Viewer) -> None:
    arriving: list[Any] = []
    viewer.page.route("**/desk/study", lambda route: arriving.append(route))
    viewer.page.evaluate(
        """() => {
            const drop = (name) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File(["no image"], name));
                document.querySelector(".viewer").dispatchEvent(
                    new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
            };
            drop("one");
            setTimeout(() => drop("two"), 100);
        }"""
    )
    viewer.page.get_by_text("Another study is still opening").wait_for()
    assert len(arriving) == 1
    arriving[0].fulfill(status=422, json={"error": "This file is neither DICOM, PNG nor JPEG."})
    viewer.page.get_by_text("This file is neither DICOM").wait_for()


def test_a_drag_of_the_window_on_nine_million_pixels_stays_above_30_frames_a_second(
    viewer: Viewer, tmp_path: Path
) -> None:
    rows = np.linspace(0, 4000, 3000, dtype=np.uint16)[:, None]
    pixels = rows + np.random.default_rng(1).integers(0, 95, (3000, 3000), dtype=np.uint16)
    viewer.open(saved(dicom_dataset(pixels, Modality="DX", BitsStored=12), tmp_path / "1"))
    seconds, drawn = viewer.page.evaluate(
        """async () => {
            const canvas = document.querySelector(".pane .picture"), box = canvas.getBoundingClientRect();
            const send = (type, x) => canvas.dispatchEvent(new PointerEvent(type, {
                pointerId: 1, pointerType: "mouse", button: 0, bubbles: true,
                clientX: box.x + 100 + x, clientY: box.y + 200}));
            canvas.setPointerCapture = () => {};
            send("pointerdown", 0);
            const line = document.querySelector(".pane .bottom-left");
            let drawn = 0;
            new MutationObserver(() => drawn++).observe(line, {subtree: true, childList: true, characterData: true});
            const began = performance.now();
            for (let x = 1; performance.now() - began < 2000; x++) {
                send("pointermove", x % 300);
                await new Promise(requestAnimationFrame);
            }
            const seconds = (performance.now() - began) / 1000;
            send("pointerup", 0);
            return [seconds, drawn];
        }"""
    )
    print(f"{drawn / seconds:.0f} frames a second")
    assert drawn / seconds > 30
