"""The experts kernels against the library's own layer and router, on a CUDA device or in Triton's interpreter."""

from __future__ import annotations

import copy
import os
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from transformers.models.diffusion_gemma.modeling_diffusion_gemma import (
    DiffusionGemmaTextExperts,
    DiffusionGemmaTextRouter,
)

pytest.importorskip("triton", reason="Triton, which the kernels are written in, is not installed")
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no CUDA device, and TRITON_INTERPRET is not 1", allow_module_level=True)

from model.network.kernels.experts import GROUPED, Tile, Tiles, bits_of, grouped, launch, quantise, route, tiles

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# The interpreter multiplies no bfloat16.
DTYPE, CLOSE = (torch.bfloat16, 1e-2) if DEVICE == "cuda" else (torch.float32, 1e-5)


def layer(experts: int, width: int, inner: int, activation: str = "gelu_pytorch_tanh") -> nn.Module:
    torch.manual_seed(0)
    module = DiffusionGemmaTextExperts(
        SimpleNamespace(
            num_experts=experts,
            hidden_size=width,
            moe_intermediate_size=inner,
            hidden_activation=activation,
            _experts_implementation="eager",
        )
    )
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.1).requires_grad_(False)
    return module.to(DEVICE, DTYPE)


def routing(tokens: int, experts: int, used: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(tokens)
    chosen = torch.rand(tokens, experts).topk(used).indices
    return chosen.to(DEVICE), torch.rand(tokens, used).to(DEVICE)


def hidden_states(tokens: int, width: int) -> Tensor:
    torch.manual_seed(tokens)
    return torch.randn(tokens, width).to(DEVICE, DTYPE)


def exact(module: nn.Module, hidden: Tensor, chosen: Tensor, shares: Tensor) -> Tensor:
    """The library's plain layer in float64, whatever implementation is set."""
    plain = copy.deepcopy(module).double()
    plain.config._experts_implementation = "eager"
    return plain(hidden.double(), chosen, shares.double())


def off(result: Tensor, reference: Tensor) -> float:
    return float((result.double() - reference.double()).norm() / reference.double().norm())


@pytest.mark.parametrize(
    ("tokens", "experts", "width", "inner", "used"),
    [(1, 8, 64, 32, 2), (5, 8, 64, 48, 2), (70, 8, 128, 48, 2), (33, 6, 96, 40, 3), (20, 4, 64, 32, 4)],
)
def test_any_shape_gives_what_the_library_gives(tokens: int, experts: int, width: int, inner: int, used: int) -> None:
    module, hidden, (chosen, shares) = (
        layer(experts, width, inner),
        hidden_states(tokens, width),
        routing(tokens, experts, used),
    )
    result = grouped(module, hidden, chosen, shares)
    assert result.dtype == hidden.dtype
    assert off(result, exact(module, hidden, chosen, shares)) < CLOSE


def test_the_implementation_is_chosen_by_its_name_and_other_activations_are_known() -> None:
    module, hidden, (chosen, shares) = layer(4, 64, 32, "silu"), hidden_states(9, 64), routing(9, 4, 2)
    module.config._experts_implementation = GROUPED
    assert off(module(hidden, chosen, shares), exact(module, hidden, chosen, shares)) < CLOSE


def test_all_tokens_on_one_expert_fill_several_blocks() -> None:
    module, hidden = layer(8, 64, 32), hidden_states(70, 64)
    chosen = torch.tensor([[5, 2]], device=DEVICE).expand(70, 2)
    shares = torch.rand(70, 2, device=DEVICE)
    assert off(grouped(module, hidden, chosen, shares), exact(module, hidden, chosen, shares)) < CLOSE


def test_no_token_gives_no_row() -> None:
    chosen = torch.zeros(0, 2, dtype=torch.int64, device=DEVICE)
    assert grouped(layer(4, 64, 32), hidden_states(0, 64), chosen, chosen.float()).shape == (0, 64)


def test_a_result_is_the_same_again_and_does_not_depend_on_the_other_tokens() -> None:
    module, hidden, (chosen, shares) = layer(8, 128, 64), hidden_states(40, 128), routing(40, 8, 2)
    result = grouped(module, hidden, chosen, shares)
    assert torch.equal(result, grouped(module, hidden, chosen, shares))
    assert off(grouped(module, hidden[:7], chosen[:7], shares[:7]), result[:7]) < CLOSE


@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("bits", [16, 8, 4])
def test_every_way_of_reading_and_multiplying_gives_the_same(swapped: bool, copied: bool, bits: int) -> None:
    module, hidden, (chosen, shares) = layer(4, 128, 64), hidden_states(21, 128), routing(21, 4, 2)
    cut = Tiles(16, Tile(32, 32, 4, 2, swapped, copied), Tile(64, 32, 4, 2, swapped, copied), tiles(1).overlapped)
    if bits == 16:
        stored: tuple[Tensor | None, ...] = (module.gate_up_proj, module.down_proj, None, None)
    else:
        quantise(module, bits)
        stored = (module.gate_up_quantised, module.down_quantised, module.gate_up_scales, module.down_scales)
    result = launch(hidden, chosen, shares, *stored, "gelu", cut)  # type: ignore[arg-type]
    assert off(result, grouped(module, hidden, chosen, shares)) < CLOSE


def restored(words: Tensor, scales: Tensor, like: Tensor) -> Tensor:
    """Quantised weights in float64, unpacked as their description says, with the shape of `like`."""
    bits = bits_of(scales)
    values = words.to(torch.int32) & 0xFFFF
    slices = torch.stack([values >> bits * place & (1 << bits) - 1 for place in range(16 // bits)], 3).double()
    if bits == 8:
        exact = torch.where(slices > 127, slices - 256, slices) * scales[:, None, :, None, None]
    else:
        low, high = (scales << 16).view(torch.float32), (scales & -65536).view(torch.float32)
        exact = (slices - 8) * torch.stack([low, low, high, high], -1)[..., None]
    return exact.transpose(1, 2).reshape(like.shape)  # from (experts, chunks, columns, slices, step)


@pytest.mark.parametrize(("bits", "least", "most"), [(8, 0.001, 0.01), (4, 0.05, 0.11)])
@pytest.mark.parametrize(("tokens", "width", "inner"), [(5, 64, 64), (70, 256, 128), (33, 192, 64)])
def test_fewer_bits(bits: int, least: float, most: float, tokens: int, width: int, inner: int) -> None:
    module, hidden, (chosen, shares) = layer(6, width, inner), hidden_states(tokens, width), routing(tokens, 6, 2)
    plain = copy.deepcopy(module)
    quantise(module, bits)
    assert not list(module.parameters())
    for name in ("gate_up", "down"):
        weights = getattr(plain, f"{name}_proj")
        again = restored(getattr(module, f"{name}_quantised"), getattr(module, f"{name}_scales"), weights)
        assert least < off(again, weights) < most  # what that many bits lose of normally distributed weights
        weights.data = again
    assert off(grouped(module, hidden, chosen, shares), exact(plain, hidden, chosen, shares)) < CLOSE


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(("rows", "stages", "copied"), [(32, 3, False), (64, 4, True), (16, 6, False)])
def test_products_end_before_their_registers_are_used_again(bits: int, rows: int, stages: int, copied: bool) -> None:
    # See `_settled`: it took many chunks, and few programs at a time or weights in the cache, to be seen.
    module, hidden, (chosen, shares) = layer(16, 2816, 704), hidden_states(96, 2816), routing(96, 16, 4)
    quantise(module, bits)
    stored = (module.gate_up_quantised, module.down_quantised, module.gate_up_scales, module.down_scales)
    tile = Tile(64, 0, 4, stages, copied=copied)
    plain = Tile(64, 0, 4, 2, swapped=False)
    expected = launch(hidden, chosen, shares, *stored, "gelu", Tiles(16, plain, plain))
    first = launch(hidden, chosen, shares, *stored, "gelu", Tiles(rows, tile, tile))
    assert off(first, expected) < CLOSE / 2
    for _ in range(100):
        assert torch.equal(first, launch(hidden, chosen, shares, *stored, "gelu", Tiles(rows, tile, tile)))


def test_weights_that_do_not_divide_and_other_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        quantise(layer(2, 96, 64), 4)
    with pytest.raises(ValueError, match="8 or 4 bits, not 5"):
        quantise(layer(2, 64, 64), 5)


def test_experts_of_zeros_survive_quantisation() -> None:
    for bits in (8, 4):
        module = layer(2, 64, 64)
        for parameter in module.parameters():
            parameter.zero_()
        quantise(module, bits)
        chosen, shares = routing(3, 2, 1)
        assert not grouped(module, hidden_states(3, 64), chosen, shares).any()


def test_a_compiler_takes_the_layer_whole() -> None:
    module, hidden, (chosen, shares) = layer(4, 64, 32), hidden_states(9, 64), routing(9, 4, 2)
    compiled = torch.compile(lambda x: grouped(module, x * 2, chosen, shares) + 1, fullgraph=True, backend="aot_eager")
    assert off(compiled(hidden), grouped(module, hidden * 2, chosen, shares) + 1) < CLOSE


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
def test_a_captured_layer_follows_its_inputs() -> None:
    module, hidden, (chosen, shares) = layer(8, 128, 64), hidden_states(40, 128), routing(40, 8, 2)
    grouped(module, hidden, chosen, shares)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = grouped(module, hidden, chosen, shares)
    hidden.copy_(torch.randn_like(hidden))
    chosen.copy_(routing(41, 8, 2)[0][:40])
    graph.replay()
    assert torch.equal(result, grouped(module, hidden, chosen, shares))


def router(experts: int, used: int, width: int = 64, dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(experts)
    module = DiffusionGemmaTextRouter(
        SimpleNamespace(hidden_size=width, num_experts=experts, top_k_experts=used, rms_norm_eps=1e-6)
    )
    nn.init.normal_(module.proj.weight)
    nn.init.uniform_(module.scale, 0.5, 8)
    nn.init.uniform_(module.per_expert_scale, 0.5, 2)
    return module.requires_grad_(False).to(DEVICE, dtype)


def plainly(scores: Tensor, scales: Tensor, used: int) -> tuple[Tensor, Tensor]:
    """The library's weights and experts, the first of equally likely ones, which its own choice leaves open."""
    likely, order = scores.softmax(-1, dtype=torch.float32).sort(dim=-1, descending=True, stable=True)
    shares, chosen = likely[:, :used], order[:, :used]
    return shares / shares.sum(-1, keepdim=True) * scales[chosen], chosen


def chosen_among(scores: Tensor, scales: Tensor, used: int) -> tuple[Tensor, Tensor]:
    return torch.ops.drafting.choose_experts(scores, scales, used)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("tokens", "experts", "used"),
    [(1, 128, 8), (37, 128, 8), (5, 8, 1), (1, 1, 1), (20, 6, 3), (9, 100, 8), (3, 4, 4), (2, 1000, 5)],
)
def test_routing_is_the_library_s(tokens: int, experts: int, used: int, dtype: torch.dtype) -> None:
    module, hidden = router(experts, used, dtype=dtype), hidden_states(tokens, 64).to(dtype)
    probabilities, weights, chosen = module(hidden)
    result, own = route(module, hidden)
    assert (result.dtype, own.dtype, own.shape) == (weights.dtype, chosen.dtype, chosen.shape)
    # Scores of 16 bits are often equal: then any of them is the library's choice.
    assert torch.equal(probabilities.gather(-1, own), probabilities.gather(-1, chosen))
    clear = (probabilities.gather(-1, chosen)[..., None] == probabilities[:, None]).sum(-1).eq(1)
    assert clear.any()
    assert torch.equal(own[clear], chosen[clear])
    torch.testing.assert_close(result[clear], weights[clear], atol=0, rtol=2e-6)
    scores = module.proj(module.norm(hidden) * module.scale * module.scalar_root_size)
    expected, first = plainly(scores, module.per_expert_scale, used)
    assert torch.equal(own, first)
    torch.testing.assert_close(result, expected, atol=0, rtol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_of_equal_scores_the_first_are_chosen(dtype: torch.dtype) -> None:
    scales = torch.linspace(0.5, 2, 100, device=DEVICE, dtype=dtype)
    scores = torch.randint(-3, 4, (30, 100), device=DEVICE).to(dtype)
    scores[0] = 0
    scores[1] = torch.tensor([-0.0, 0.0]).repeat(50)
    scores[2] = -7
    weights, chosen = chosen_among(scores, scales, 8)
    expected, first = plainly(scores, scales, 8)
    assert torch.equal(chosen, first)
    assert chosen[:3].tolist() == [list(range(8))] * 3
    torch.testing.assert_close(weights, expected, atol=0, rtol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_scores_choose_different_experts(dtype: torch.dtype) -> None:
    scales = torch.ones(6, device=DEVICE, dtype=dtype)
    low, inf, nan = float(torch.finfo(dtype).min), torch.inf, torch.nan
    scores = torch.tensor([[-inf, 3, -inf, -inf, -inf, -inf], [low, 500, low, 500, -inf, 0], [-1000] * 5 + [-1001]])
    scores = scores.to(DEVICE, dtype)
    weights, chosen = chosen_among(scores, scales, 4)
    assert chosen.tolist() == [[1, 0, 2, 3], [1, 3, 5, 0], [0, 1, 2, 3]]
    torch.testing.assert_close(weights, plainly(scores, scales, 4)[0])
    # What follows reads the chosen experts' weights whatever the scores are.
    scores = torch.tensor([[nan] * 6, [0, -nan, 1, nan, 2, 3], [inf, inf, 0, inf, -inf, 0], [-inf] * 6])
    weights, chosen = chosen_among(scores.to(DEVICE, dtype), scales, 4)
    assert all(len(set(row)) == 4 and set(row) <= set(range(6)) for row in chosen.tolist())
    assert weights.isnan().any(-1).all()


def test_routing_no_token_gives_no_row_and_too_many_experts_are_refused() -> None:
    weights, chosen = route(router(6, 3), hidden_states(0, 64).float())
    assert weights.shape == chosen.shape == (0, 3)
    with pytest.raises(ValueError, match="7 of 6 experts"):
        chosen_among(torch.zeros(2, 6, device=DEVICE), torch.ones(6, device=DEVICE), 7)


def test_scores_may_be_a_part_of_more_and_of_64_bits() -> None:
    scores, scales = torch.randn(7, 40, device=DEVICE), torch.rand(20, device=DEVICE)
    expected = plainly(scores[:, ::2], scales, 4)
    assert torch.equal(chosen_among(scores[:, ::2], scales, 4)[1], expected[1])
    weights, chosen = chosen_among(scores[:, ::2].double(), scales.double(), 4)
    assert weights.dtype == torch.float64
    assert torch.equal(chosen, expected[1])
    torch.testing.assert_close(weights.float(), expected[0])


def test_a_compiler_takes_the_routing_whole() -> None:
    module, hidden = router(20, 4), hidden_states(9, 64).float()
    compiled = torch.compile(lambda x: route(module, x * 2), fullgraph=True, backend="aot_eager")
    weights, chosen = compiled(hidden)
    expected, own = route(module, hidden * 2)
    assert torch.equal(chosen, own)
    torch.testing.assert_close(weights, expected)
    given = (torch.randn(3, 20, device=DEVICE), module.per_expert_scale, 4)
    torch.library.opcheck(torch.ops.drafting.choose_experts.default, given)


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
def test_a_captured_routing_follows_its_inputs() -> None:
    module, hidden = router(128, 8, dtype=torch.bfloat16), hidden_states(40, 64)
    route(module, hidden)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = route(module, hidden)
    hidden.copy_(torch.randn_like(hidden))
    graph.replay()
    assert all(torch.equal(*pair) for pair in zip(result, route(module, hidden), strict=True))
