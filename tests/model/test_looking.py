"""Where the model looks: transformers' own attention, on the parts of the picture that the image tokens are of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from drafting.engine import EngineError, Looked
from drafting.report import Report, Span, parse_markup
from drafting.study import Study, StudyFacts
from model.engine.local import LocalEngine
from model.engine.looking import BlindError, attention_to_image, particular_map
from model.evaluation.reports.looked import BEFORE, LookedSettings, right_share
from model.evaluation.reports.looked import measure as looked
from model.evaluation.task import Context
from model.network.loading import DraftingModel, layer_kinds, load
from model.network.prefix import Prefix, encode_prefix
from tests.model.evaluation.test_evaluation_measures import pictures


@pytest.fixture(scope="module", params=["tiny", "default"])
def any_model(request: pytest.FixtureRequest, tiny_model: DraftingModel) -> DraftingModel:
    return tiny_model if request.param == "tiny" else load(device="cpu")


def a_study(height: int = 90, width: int = 70) -> Study:
    picture = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    return Study(pictures=(), model_picture=picture, facts=StudyFacts(age=60))


def some_tokens(model: DraftingModel, length: int = 20) -> torch.Tensor:
    return torch.randint(5, len(model.tokenizer), (length,), generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def as_transformers(model: DraftingModel, prefix: Prefix, tokens: torch.Tensor) -> list[torch.Tensor]:
    """The library's eager attention weights: for each layer (heads, length, seen)."""
    network: Any = model.network
    cache = DynamicCache()
    for index, (keys, values) in enumerate(prefix.layers):
        cache.update(keys.transpose(0, 1)[None], values.transpose(0, 1)[None], index)
    certain = torch.nn.functional.one_hot(tokens[None], model.vocabulary_size).float() * 1e4
    seen: list[torch.Tensor] = []
    hooks = [
        layer.self_attn.register_forward_hook(lambda module, given, output: seen.append(output[1][0]))
        for layer in network.model.decoder.layers
    ]
    former = network.config._attn_implementation
    network.set_attn_implementation("eager")
    try:
        network(decoder_input_ids=tokens[None], past_key_values=cache, self_conditioning_logits=certain)
    finally:
        network.set_attn_implementation(former)
        for hook in hooks:
            hook.remove()
    return seen


def test_the_attention_is_what_transformers_computes(any_model: DraftingModel) -> None:
    prefix, tokens = encode_prefix(any_model, a_study()), some_tokens(any_model)
    assert prefix.image is not None
    image = slice(prefix.image.start, prefix.image.start + prefix.image.rows * prefix.image.columns)
    layers = as_transformers(any_model, prefix, tokens)
    assert len(layers) == len(layer_kinds(any_model.network))
    expected = torch.stack([weights[..., image].mean(dim=0) for weights in layers]).mean(dim=0)
    computed = attention_to_image(any_model, prefix, tokens)
    assert torch.allclose(computed, expected, atol=1e-4)
    # A row is compared as a pattern too: each weight is small.
    assert torch.allclose(computed / computed.mean(), expected / expected.mean(), atol=1e-3)

    own, rest = expected[3:9].mean(0), torch.cat([expected[:3], expected[9:15]]).mean(0)
    weights, share = particular_map(any_model, prefix, tokens, slice(3, 9), 15)
    assert weights.shape == (prefix.image.rows, prefix.image.columns)
    assert torch.allclose(weights.flatten(), (own / own.sum() - rest / rest.sum()).clamp(min=0), atol=1e-4)
    assert share == pytest.approx(own.sum().item(), abs=1e-4)


@pytest.mark.parametrize(("height", "width"), [(60, 200), (200, 60), (100, 100)])
def test_the_tokens_are_parts_of_the_picture_row_by_row(tiny_model: DraftingModel, height: int, width: int) -> None:
    # A checkpoint whose picture keeps its shape has more columns than rows where it is wide.
    keeping = replace(tiny_model, traits=replace(tiny_model.traits, square_picture=False))
    prefix = encode_prefix(keeping, a_study(height, width))
    assert prefix.image is not None
    assert (prefix.image.rows < prefix.image.columns) == (height < width)
    assert (prefix.image.rows > prefix.image.columns) == (height > width)

    # The vision tower's features change most where the picture does.
    study = a_study(height, width)
    changed = study.model_picture.copy()
    changed[: height // prefix.image.rows, -(width // prefix.image.columns) :] = 255
    features = [features_of(keeping, picture) for picture in (study.model_picture, changed)]
    moved = (features[0] - features[1]).norm(dim=-1).view(prefix.image.rows, prefix.image.columns)
    assert moved.argmax() == prefix.image.columns - 1


@torch.inference_mode()
def features_of(model: DraftingModel, picture: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    from model.network.prefix import patches

    pixels, positions, _ = patches(model, picture)
    network: Any = model.network
    return network.model.encoder.get_image_features(pixels, positions).pooler_output.view(-1, model_width(model))


def model_width(model: DraftingModel) -> int:
    return int(model.network.model.decoder.embed_tokens.weight.shape[1])


def test_a_layer_that_has_lost_a_part_of_the_image_is_left_out(tiny_model: DraftingModel) -> None:
    prefix, tokens = encode_prefix(tiny_model, a_study()), some_tokens(tiny_model)
    assert prefix.image is not None
    kept = prefix.length - prefix.image.start - 1
    cut = [(keys[-kept:], values[-kept:]) for keys, values in prefix.layers]
    with pytest.raises(BlindError):
        attention_to_image(tiny_model, replace(prefix, layers=tuple(cut)), tokens)
    # The last layer alone is whole: its attention is all there is.
    mixed = replace(prefix, layers=(*cut[:-1], prefix.layers[-1]))
    paid = attention_to_image(tiny_model, mixed, tokens)
    assert paid.shape == (20, prefix.image.rows * prefix.image.columns)
    assert 0 < paid.sum(-1).max() < 1
    with pytest.raises(BlindError):
        attention_to_image(tiny_model, encode_prefix(tiny_model, None), tokens)


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
    with pytest.raises(EngineError, match="open a study"):
        engine.looked(None, REPORT, text.id)


def test_the_sentence_alone_in_its_report_is_compared_with_the_scaffold(engine: LocalEngine) -> None:
    alone = Report((Span("a", "The heart is large é😀.", "open", "model"),))
    assert engine.looked(a_study(), alone, "a").weights.any()


SETTINGS = LookedSettings(limit=12, seed=0)


class BrighterSide:
    """Looks at the brighter half of the picture for a finding, and for the heart always at the patient's right."""

    def looked(self, study: Study, report: Report, id: str, part: tuple[int, int]) -> Looked:
        text = report.open_spans[0].text[slice(*part)]
        if text == BEFORE:
            return Looked(np.array([[0.9, 0.1]], np.float32), 0.1)
        assert text.startswith("There is a")
        half = study.model_picture.shape[1] // 2
        dark, bright = (float(side.mean()) for side in (study.model_picture[:, :half], study.model_picture[:, half:]))
        return Looked(np.array([[dark > bright, dark <= bright]], np.float32), 0.1)

    def release(self, study: Study) -> None:
        pass


def test_a_map_that_follows_the_picture_is_told_from_one_that_does_not() -> None:
    radiographs = pictures(["adult_normal"] * 12, [60] * 12, [{}] * 12)
    context = Context(SETTINGS)
    context.__dict__ |= {"engine": BrighterSide(), "radiographs": radiographs}
    rows = {(row.subject, row.measure): row.estimate for rows in looked(context) for row in rows}
    effusion = rows["effusion", "map on the finding's side, its sentence"]
    assert effusion.count >= 1
    # Beside other findings an effusion does not always make its side the brighter one.
    assert effusion.value is not None
    assert effusion.value > 0.6
    for (_, measure), estimate in rows.items():
        if measure == "map on that side, sentence on the heart" and estimate.count:
            assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)


def test_the_patients_right_is_the_pictures_left_and_a_middle_column_is_shared() -> None:
    assert right_share(np.array([[3, 1]], np.float32)) == 0.75
    assert right_share(np.array([[1, 2, 1], [0, 4, 0]], np.float32)) == 0.5
    assert right_share(np.array([[2, 1, 0]], np.float32)) == pytest.approx(2.5 / 3)
