"""The reading kernels against `bar` and `read`, on a CUDA device or, slowly, in Triton's interpreter."""

from __future__ import annotations

import os

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton, which the kernels are written in, is not installed")
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no CUDA device, and TRITON_INTERPRET is not 1", allow_module_level=True)

from model.network.decoder import bar
from model.network.kernels.reading import STRETCH, read_products
from model.network.reading import read

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CAP = 30.0
LAST = 1 - 2.0**-24  # the largest number below 1


def inputs(rows: int, vocabulary: int, dtype: torch.dtype = torch.float32, scale: float = 8.0) -> dict[str, Tensor]:
    torch.manual_seed(rows + vocabulary)
    return {
        "products": (torch.randn(rows, vocabulary) * scale).to(DEVICE, dtype),
        "barred": (torch.rand(vocabulary) < 0.1).to(DEVICE),
        "opening": (torch.rand(rows) < 0.5).to(DEVICE),
        "temperatures": (0.4 + 0.6 * torch.rand(rows)).to(DEVICE),
        "uniform": torch.rand(rows).to(DEVICE),
    }


def told(given: dict[str, Tensor], blank_id: int | None = None, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return list(
        read_products(
            given["products"],
            CAP,
            given["barred"],
            given["opening"],
            blank_id,
            given["temperatures"],
            given["uniform"],
            dtype,
        )
    )


def logits_of(given: dict[str, Tensor], blank_id: int | None) -> Tensor:
    logits = torch.tanh(given["products"].float() / CAP) * CAP
    return bar(logits, given["barred"], given["opening"], blank_id)


def check(given: dict[str, Tensor], blank_id: int | None = None, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """All that is told is what `read` says; returns it."""
    logits = logits_of(given, blank_id)
    expected = read(logits, given["temperatures"], given["uniform"])
    best, log_probability, sampled, entropy, probabilities = result = told(given, blank_id, dtype)
    assert [part.dtype for part in result[:4]] == [torch.int64, torch.float32, torch.int64, torch.float32]
    assert torch.equal(best, expected[0])
    # The rounding of a logit, by 1e-5, counts for more at a low temperature.
    close = float(2e-5 / given["temperatures"].min().clamp(max=1))
    torch.testing.assert_close(log_probability, expected[1], atol=5e-5, rtol=1e-5)
    torch.testing.assert_close(entropy, expected[3], atol=2 * close, rtol=1e-5)
    assert probabilities.dtype == dtype
    rounded = 8e-3 if dtype == torch.bfloat16 else 0.0
    torch.testing.assert_close(probabilities.float(), expected[4], atol=1e-7, rtol=close + rounded)
    # The drawn token: by its place among the exact probabilities, since rounding may decide between neighbours.
    exact = (logits.double() / given["temperatures"].double()[:, None]).softmax(-1)
    upto = exact.cumsum(-1).gather(-1, sampled[:, None]).squeeze(-1)
    own = exact.gather(-1, sampled[:, None]).squeeze(-1)
    threshold = given["uniform"].double()
    assert (own > 0).all()
    within = (upto - own <= threshold + close) & (threshold <= upto + close)
    assert (within | (threshold >= LAST) & (sampled == best)).all()
    return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("rows", "vocabulary"), [(1, 40), (5, 1000), (3, STRETCH), (33, STRETCH + 1), (2, 5 * STRETCH - 7), (1, 70_000)]
)
def test_any_shape_gives_what_read_gives(rows: int, vocabulary: int, dtype: torch.dtype) -> None:
    check(inputs(rows, vocabulary, dtype), dtype=dtype)


def test_no_row_gives_none() -> None:
    best, *_, probabilities = told(inputs(0, 50))
    assert best.shape == (0,)
    assert probabilities.shape == (0, 50)


def test_the_blank_may_not_stand_where_a_span_opens() -> None:
    given, blank = inputs(6, 2 * STRETCH + 50), STRETCH + 3
    given["barred"][blank] = False
    given["products"][:, blank] = 100.0  # every row's likeliest, if it may stand
    given["opening"] = torch.tensor([True, False, True, False, True, False], device=DEVICE)
    best, _, sampled, _, probabilities = check(given, blank)
    assert (best == blank).tolist() == [False, True] * 3
    assert not (sampled == blank)[::2].any()
    assert (probabilities[:, blank] == 0).tolist() == [True, False] * 3
    assert (check(given, None)[0] == blank).all()


def test_of_equally_likely_tokens_the_first_is_best() -> None:
    given = inputs(3, 3 * STRETCH)
    given["barred"].zero_()
    for row, tokens in enumerate([[7, 9, 2 * STRETCH], [STRETCH + 1, 2 * STRETCH], [3 * STRETCH - 2, 3 * STRETCH - 1]]):
        given["products"][row, tokens] = 60.0
    assert check(given)[0].tolist() == [7, STRETCH + 1, 3 * STRETCH - 2]
    given["products"].zero_()
    assert check(given)[0].tolist() == [0, 0, 0]


def test_whole_stretches_may_be_barred() -> None:
    given = inputs(4, 4 * STRETCH)
    given["barred"][:] = True
    given["barred"][STRETCH + 5 : 2 * STRETCH : 3] = False
    given["barred"][-1] = False
    check(given)
    given["barred"][:] = True
    given["barred"][2 * STRETCH + 1] = False
    best, log_probability, sampled, entropy, _ = check(given)
    assert (best == 2 * STRETCH + 1).all()
    assert (sampled == 2 * STRETCH + 1).all()
    assert not log_probability.any()
    assert not entropy.any()


@pytest.mark.parametrize("temperature", [1e-3, 0.05, 1.0, 3.0])
def test_any_temperature(temperature: float) -> None:
    given = inputs(8, 2 * STRETCH + 100)
    given["temperatures"].fill_(temperature)
    check(given)


def test_certain_rows() -> None:
    given = inputs(4, 2 * STRETCH + 9)
    given["barred"].zero_()
    given["products"].fill_(-1000.0)
    tokens = torch.tensor([0, STRETCH - 1, STRETCH, 2 * STRETCH + 8], device=DEVICE)
    given["products"][torch.arange(4, device=DEVICE), tokens] = 1000.0
    best, _, sampled, entropy, _ = check(given)
    assert torch.equal(best, tokens)
    assert torch.equal(sampled, tokens)
    assert (entropy < 1e-6).all()


@pytest.mark.parametrize("uniform", [0.0, 2.0**-24, 0.5, LAST, 1.0])
def test_extreme_random_numbers_draw_tokens_that_may_stand(uniform: float) -> None:
    given = inputs(6, 3 * STRETCH + 11)
    given["barred"][:100] = True
    given["barred"][-2000:] = True
    given["uniform"].fill_(uniform)
    sampled = check(given)[2]
    assert not given["barred"][sampled].any()
    if uniform == 0:
        first = int((~given["barred"]).nonzero()[0])
        assert (sampled == first).all()


def test_a_token_is_drawn_as_often_as_it_is_likely() -> None:
    count, vocabulary = 256, STRETCH + 40
    given = inputs(1, vocabulary)
    given = {name: value if name == "barred" else value.repeat_interleave(count, 0) for name, value in given.items()}
    given["uniform"] = (torch.arange(count, device=DEVICE) + 0.5) / count
    _, _, sampled, _, probabilities = check(given)
    often = torch.bincount(sampled, minlength=vocabulary) / count
    assert (often - probabilities[0]).abs().max() <= 1.01 / count
    assert (sampled.diff() >= 0).all()


def test_a_row_is_the_same_again_and_whatever_the_others_are() -> None:
    given = inputs(9, 2 * STRETCH + 100, torch.bfloat16)
    result = told(given, 5, torch.bfloat16)
    assert all(torch.equal(*pair) for pair in zip(result, told(given, 5, torch.bfloat16), strict=True))
    some = {name: value if name == "barred" else value[:4] for name, value in given.items()}
    assert all(torch.equal(one[:4], other) for one, other in zip(result, told(some, 5, torch.bfloat16), strict=True))


def test_a_compiler_takes_it_whole() -> None:
    given = inputs(3, 500)
    compiled = torch.compile(
        lambda products: told(given | {"products": products * 2}), fullgraph=True, backend="aot_eager"
    )
    expected = told(given | {"products": given["products"] * 2})
    assert all(torch.equal(*pair) for pair in zip(compiled(given["products"]), expected, strict=True))


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
def test_a_captured_reading_follows_its_inputs() -> None:
    given = inputs(40, 262_144, torch.bfloat16)
    told(given, 3, torch.bfloat16)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = told(given, 3, torch.bfloat16)
    given["products"].copy_(torch.randn_like(given["products"]) * 5)
    given["uniform"].uniform_()
    graph.replay()
    assert all(torch.equal(*pair) for pair in zip(result, told(given, 3, torch.bfloat16), strict=True))
    check(given, 3, torch.bfloat16)
