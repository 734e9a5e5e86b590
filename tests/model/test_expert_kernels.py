"""The experts kernels against the library's own layer, on a CUDA device or, slowly, in Triton's interpreter."""

from __future__ import annotations

import copy
import os
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from transformers.models.diffusion_gemma.modeling_diffusion_gemma import DiffusionGemmaTextExperts

pytest.importorskip("triton", reason="Triton, which the kernels are written in, is not installed")
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no CUDA device, and TRITON_INTERPRET is not 1", allow_module_level=True)

from model.expert_kernels import GROUPED, Tile, Tiles, bits_of, grouped, launch, quantise, tiles

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
