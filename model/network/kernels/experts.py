"""Mixture-of-experts layers in three Triton kernels, with weights in bfloat16, in 8 or in 4 bits.

A denoising step sends a few hundred tokens through layers of many experts. Nearly every expert is hit by a handful of
tokens, so that a layer costs the reading of its weights, and everything else should hide behind that. The library's
implementations sort, gather, multiply, gate, scatter and sum in a dozen kernels; here one small kernel groups the
assignments (a token and one of its experts) by expert, one multiplies by the gate and up weights and gates, one
multiplies by the down weights and by the token's share, and a last one sums the assignments of a token. Another small
one chooses each token's experts in the first place, which takes the library several. Nothing waits for the device and
every grid is sized by shapes alone, so that a step can be captured in a CUDA graph. The results are the same in every
run, and a token's result depends on the other tokens only through the choice of tiles, by rounding.

The module needs Triton, which is no requirement of this package: import it only where a CUDA device will use it. It
knows nothing of what the tokens are. It computes no gradients.
"""

# mypy: disable-error-code="no-untyped-def"
# (Triton reads the annotations of a kernel's arguments itself: those of tensors have none.)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

try:
    import triton
    import triton.language as tl
    from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait
    from triton.tools.tensor_descriptor import TensorDescriptor
except ImportError as error:
    raise ImportError(
        "model.network.kernels.experts needs Triton, which comes with the CUDA builds of torch for Linux; "
        "use another implementation of the experts on this machine"
    ) from error

GROUPED = "grouped_triton"
ACTIVATIONS = {type(ACT2FN["gelu_pytorch_tanh"]): "gelu", type(ACT2FN["silu"]): "silu", nn.SiLU: "silu"}
INTERPRETED = bool(triton.knobs.runtime.interpret)  # on the CPU, for tests
COMPILED = tl.constexpr(not INTERPRETED)


# Tiles


@dataclass(frozen=True)
class Tile:
    """How one product is cut: a program computes `columns` output columns for one block of rows.

    `depth`: input columns read at a time, which for quantised weights is settled by how they are stored; `warps`,
    `stages`: warps of a program, tiles in flight; `swapped`: weights as the left operand, whose 64-row matrix
    instruction they fill however few rows there are; `copied`: weights read by the tensor memory accelerator.
    """

    columns: int
    depth: int
    warps: int
    stages: int
    swapped: bool = True
    copied: bool = False


@dataclass(frozen=True)
class Tiles:
    """`rows`: assignments in a block, all of one expert; `overlapped`: a kernel starts while the last one drains."""

    rows: int
    gate_up: Tile
    down: Tile
    overlapped: bool = False


def tiles(rows_per_expert: float, bits: int = 16) -> Tiles:
    """The cut for a mean number of assignments per expert (tokens * experts used / experts).

    Blocks hold twice the mean and more, since an expert whose rows fit one block has its weights read once; rows that
    are not there cost no reading, only matrix instructions, of which there are plenty to spare. The tiles are what was
    fastest on an H100 in layers of 128 experts of 704 with 2816 columns, for 2, 4, 8, 16, 32 and 128 rows per expert.
    """
    overlapped = _can_overlap()
    if bits == 16:
        rows = 16 if rows_per_expert <= 8 else 32 if rows_per_expert <= 32 else 64 if rows_per_expert <= 64 else 128
        if rows == 16:
            gate_up = down = Tile(32, 128, 4, 4, swapped=False)
        elif rows == 32:
            gate_up, down = Tile(64, 128, 4, 3, swapped=False), Tile(64, 64, 4, 5)
        elif rows == 64:
            gate_up, down = Tile(64, 64, 4, 3), Tile(64, 64, 4, 5)
        else:
            gate_up, down = Tile(64, 64, 8, 3, swapped=False), Tile(128, 64, 8, 3, swapped=False)
    elif bits == 8:
        rows = 16 if rows_per_expert <= 8 else 32 if rows_per_expert <= 16 else 64 if rows_per_expert <= 64 else 128
        if rows == 128:
            gate_up, down = Tile(128, 0, 8, 3), Tile(64, 0, 4, 3)
        else:
            gate_up, down = Tile(64, 0, 4, 3 if rows == 32 else 4), Tile(64, 0, 4, 5)
    else:
        rows = 16 if rows_per_expert <= 8 else 32 if rows_per_expert <= 16 else 64  # more rows take too many registers
        gate_up, down = Tile(64, 0, 4, 3 if rows == 64 else 4), Tile(128, 0, 4, 4)
    return Tiles(rows, gate_up, down, overlapped)


def _can_overlap() -> bool:
    return not INTERPRETED and torch.cuda.get_device_capability() >= (9, 0)  # since Hopper


# Kernels


@triton.jit
def _ordered(bits, BITS: tl.constexpr):
    """The BITS bits of a floating-point number as a signed whole number that sorts as it does; also the reverse."""
    return bits ^ ((bits >> (BITS - 1)) & ((1 << (BITS - 1)) - 1))


@triton.jit
def _choose(
    scores,
    scales,
    chosen,
    weights,
    EXPERTS: tl.constexpr,
    BINS: tl.constexpr,
    USED: tl.constexpr,
    PLACES: tl.constexpr,
    OVERLAPPED: tl.constexpr,
):
    """One program per token: the USED experts with the highest `scores` (tokens, EXPERTS), of equal ones the first.

    `chosen` (tokens, USED): they, from the highest score on. `weights` (tokens, USED): the softmax of their scores,
    times the expert's own of `scales`. A score and its place are one whole number, so that a round is one reduction,
    for scores of 16 bits one instruction of a warp; and so that a token with scores that are no numbers gets different
    experts too.
    """
    KIND: tl.constexpr = scores.dtype.element_ty
    BITS: tl.constexpr = KIND.primitive_bitwidth
    WHOLE: tl.constexpr = tl.int16 if BITS == 16 else tl.int32
    KEY: tl.constexpr = tl.int32 if BITS == 16 else tl.int64
    LEAST: tl.constexpr = -(1 << (2 * BITS - 1))  # less than any key: those add at least 1
    token = tl.program_id(0).to(tl.int64)
    expert = tl.arange(0, BINS)
    place = tl.arange(0, PLACES)
    if OVERLAPPED:
        gdc_wait()
        gdc_launch_dependents()
    score = tl.load(scores + token * EXPERTS + expert, mask=expert < EXPERTS, other=0.0)
    value = score.to(tl.float32)
    bits = tl.where(value == value, score.to(WHOLE, bitcast=True), (1 << (BITS - 1)) - 1)  # no number before any
    bits = tl.where(value == 0, 0, bits)  # minus zero equals zero
    keys = (_ordered(bits.to(WHOLE), BITS).to(KEY) << BITS) + (BINS - expert).to(KEY)
    keys = tl.where(expert < EXPERTS, keys, LEAST)
    best = tl.max(keys, 0)
    highest = best
    taken = tl.zeros([PLACES], KEY) + best
    for round in tl.static_range(1, USED):
        keys = tl.where(keys == best, LEAST, keys)
        best = tl.max(keys, 0)
        taken = tl.where(place == round, best, taken)

    used = place < USED
    index = BINS - (taken & ((1 << BITS) - 1)).to(tl.int32)
    score = _ordered((taken >> BITS).to(WHOLE), BITS).to(KIND, bitcast=True).to(tl.float32)
    top = _ordered((highest >> BITS).to(WHOLE), BITS).to(KIND, bitcast=True).to(tl.float32)
    share = tl.where(used, tl.exp(score - top), 0.0)
    share = share / tl.sum(share, 0)
    dtype: tl.constexpr = weights.dtype.element_ty
    weight = share.to(dtype) * tl.load(scales + index, mask=used, other=0.0).to(dtype)
    at = token * USED + place
    tl.store(chosen + at, index.to(tl.int64), mask=used)
    tl.store(weights + at, weight, mask=used)


@triton.jit(do_not_specialize=["count", "blocks"])
def _group(
    chosen,
    rows,
    table,
    count,
    blocks,
    EXPERTS: tl.constexpr,
    BINS: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
    OVERLAPPED: tl.constexpr,
):
    """One program per expert: where its assignments are, and which blocks of rows it gets.

    `chosen` (count): the expert of each assignment. `rows` (count): the assignments, by expert and within one in their
    order. `table` (3, blocks): for each block its expert, or -1 for a block not needed, its first row and the end of
    its expert's rows. Every program counts for itself what comes before its expert: that is cheaper than waiting for
    the others.
    """
    if OVERLAPPED:
        gdc_wait()
        gdc_launch_dependents()
    expert = tl.program_id(0)
    bins = tl.arange(0, BINS)
    offsets = tl.arange(0, CHUNK)
    totals = tl.zeros([BINS], tl.int32)
    for start in range(0, count, CHUNK):
        inside = start + offsets < count
        ids = tl.load(chosen + start + offsets, mask=inside, other=0).to(tl.int32)
        totals += tl.histogram(ids, BINS, mask=inside)
    needed = (totals + BLOCK - 1) // BLOCK
    first = tl.sum(tl.where(bins < expert, totals, 0))
    end = first + tl.sum(tl.where(bins == expert, totals, 0))
    block = tl.sum(tl.where(bins < expert, needed, 0))
    mine = tl.sum(tl.where(bins == expert, needed, 0))

    seen = first
    for start in range(0, count, CHUNK):
        ids = tl.load(chosen + start + offsets, mask=start + offsets < count, other=EXPERTS).to(tl.int32)
        hit = (ids == expert).to(tl.int32)
        tl.store(rows + seen + tl.cumsum(hit, 0) - hit, start + offsets, mask=hit > 0)
        seen += tl.sum(hit)

    # The last program also marks the blocks that nobody needs.
    upto = tl.where(expert == EXPERTS - 1, blocks, block + mine)
    for start in range(block, upto, BINS):
        at = start + bins
        used = at < block + mine
        tl.store(table + at, tl.where(used, expert, -1), mask=at < upto)
        tl.store(table + blocks + at, first + (at - block) * BLOCK, mask=used)
        tl.store(table + 2 * blocks + at, end, mask=used)


@triton.jit
def _load(source, base, n, known, k, inside, DEPTH: tl.constexpr, WHOLE: tl.constexpr):
    """A tile (n, k) of a matrix whose rows hold DEPTH columns, from element `base` on; zeros outside of it."""
    at = source + base + n[:, None] * DEPTH + k[None, :]
    return tl.load(at) if WHOLE else tl.load(at, mask=known[:, None] & inside[None, :], other=0)


@triton.jit
def _times(weight, x, total, SWAPPED: tl.constexpr):
    """`total` plus the product of a tile of weights (columns, depth) and one of rows (rows, depth)."""
    if SWAPPED:
        total = tl.dot(weight, tl.trans(x), total, input_precision="ieee")
    else:
        total = tl.dot(x, tl.trans(weight), total, input_precision="ieee")
    return total


@triton.jit
def _settled(total):
    """`total` as it is, but read: whatever adds to it has come to its end.

    Triton 3.6 lets the last products of a loop's turn go on into the next one, whose weights are then unpacked into
    registers that those products still read (https://github.com/triton-lang/triton/issues/9433 tells of the same). It
    happened for 8 bits in some cuts and not in others, by the time that a product takes: on an H100 in up to 200 of 200
    repeats of a layer, and with this in none. No instruction comes of this, and it takes no time.
    """
    return tl.inline_asm_elementwise("", "=r,0", [total], dtype=tl.float32, is_pure=True, pack=1)


@triton.jit
def _unpack(word, BITS: tl.constexpr, dtype: tl.constexpr, QUICK: tl.constexpr):
    """The 16 // BITS weights of every 16-bit word, lowest bits first: two's complement of 8 bits, or 4 bits plus 8.

    QUICK: two words at a time, by putting the bits into the mantissas of 128 as a bfloat16 and subtracting; without
    moving anything between registers, and without a conversion, which a multiprocessor has few units for.
    """
    if BITS == 8 and QUICK:
        weights = tl.inline_asm_elementwise(
            """{
            .reg .b32 high, sign, less;
            mov.b32 less, 0xBF80BF80;
            shr.u32 high, $2, 8;
            lop3.b32 $0, $2, 0x007F007F, 0x43004300, 0xEA;
            lop3.b32 sign, $2, 0x00800080, 0x43004300, 0xEA;
            fma.rn.bf16x2 $0, sign, less, $0;
            lop3.b32 $1, high, 0x007F007F, 0x43004300, 0xEA;
            lop3.b32 sign, high, 0x00800080, 0x43004300, 0xEA;
            fma.rn.bf16x2 $1, sign, less, $1;
            }""",
            "=&r,=&r,r",
            [word],
            dtype=(tl.bfloat16, tl.bfloat16),
            is_pure=True,
            pack=2,
        )
    elif BITS == 8:
        weights = ((word << 8 >> 8).to(dtype), (word >> 8).to(dtype))
    elif QUICK:
        weights = tl.inline_asm_elementwise(
            """{
            .reg .b32 moved, one, offset;
            mov.b32 one, 0x3F803F80;
            mov.b32 offset, 0xC308C308;
            lop3.b32 $0, $4, 0x000F000F, 0x43004300, 0xEA;
            fma.rn.bf16x2 $0, $0, one, offset;
            shr.u32 moved, $4, 4;
            lop3.b32 $1, moved, 0x000F000F, 0x43004300, 0xEA;
            fma.rn.bf16x2 $1, $1, one, offset;
            shr.u32 moved, $4, 8;
            lop3.b32 $2, moved, 0x000F000F, 0x43004300, 0xEA;
            fma.rn.bf16x2 $2, $2, one, offset;
            shr.u32 moved, $4, 12;
            lop3.b32 $3, moved, 0x000F000F, 0x43004300, 0xEA;
            fma.rn.bf16x2 $3, $3, one, offset;
            }""",
            "=&r,=&r,=&r,=&r,r",
            [word],
            dtype=(tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16),
            is_pure=True,
            pack=2,
        )
    else:
        weights = (
            (word & 15).to(dtype) - 8,
            (word >> 4 & 15).to(dtype) - 8,
            (word >> 8 & 15).to(dtype) - 8,
            (word >> 12 & 15).to(dtype) - 8,
        )
    return weights


@triton.jit
def _scale(pair, high: tl.constexpr, dtype: tl.constexpr):
    """The low or the high half of a pair of bfloat16, for a tile with a row for each."""
    scale = (pair & -65536 if high else pair << 16).to(tl.float32, bitcast=True)
    return scale.to(dtype)[:, None]


@triton.jit
def _fetch(at):
    """Has the 128 bytes around every pointer brought to the second cache."""
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;", "=r,l", [at], dtype=tl.int32, is_pure=False, pack=1
    )


@triton.jit(do_not_specialize=["blocks"])
def _multiply(
    x,
    weights,
    source,
    scales,
    rows,
    table,
    shares,
    out,
    blocks,
    WIDTH: tl.constexpr,
    DEPTH: tl.constexpr,
    USED: tl.constexpr,
    GATED: tl.constexpr,
    GELU: tl.constexpr,
    BITS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    STEP: tl.constexpr,
    SWAPPED: tl.constexpr,
    COPIED: tl.constexpr,
    QUICK: tl.constexpr,
    OVERLAPPED: tl.constexpr,
):
    """One program: a block of rows of one expert times COLUMNS columns of its weights (WIDTH columns, DEPTH inputs).

    GATED: `x` is (tokens, DEPTH), the weights are WIDTH gate and WIDTH up columns, `out` (assignments, WIDTH) is
    act(gate) * up, by expert. Otherwise `x` is that, and `out` (assignments, WIDTH) is the product times the
    assignment's share, in the order of `shares`.

    `weights`: (experts, columns, DEPTH), or words of quantised ones (experts, chunks, columns, STEP), see `quantise`;
    `source`: the same, or with COPIED a descriptor of them with all but the last dimension made one. `scales`: float32
    (experts, columns) for 8 bits, pairs of bfloat16 (experts, chunks, columns) for 4.
    """
    ALL: tl.constexpr = 2 * WIDTH if GATED else WIDTH  # an expert's columns
    SLICES: tl.constexpr = 16 // BITS
    CHUNKS: tl.constexpr = DEPTH // (SLICES * STEP)
    if OVERLAPPED and GATED:
        gdc_wait()
        gdc_launch_dependents()
    expert = tl.load(table + tl.program_id(0)).to(tl.int64)
    column = tl.program_id(1) * COLUMNS
    n = column + tl.arange(0, COLUMNS)
    if OVERLAPPED and not GATED:
        # The grouping was done before the gate kernel began, so only its output has to be waited for. The first
        # weights can come on their way meanwhile.
        if expert >= 0:
            line = tl.minimum(n, WIDTH - 1)[:, None]
            ahead = tl.arange(0, 4)[None, :]
            if BITS == 16:
                _fetch(weights + (expert * ALL + line) * DEPTH + tl.minimum(ahead * 64, DEPTH - 1))
            else:
                _fetch(weights + ((expert * CHUNKS + tl.minimum(ahead, CHUNKS - 1)) * ALL + line) * STEP)
        gdc_wait()
        gdc_launch_dependents()
    if expert >= 0:
        m = tl.load(table + blocks + tl.program_id(0)) + tl.arange(0, ROWS)
        present = m < tl.load(table + 2 * blocks + tl.program_id(0))
        row = tl.load(rows + m, mask=present, other=0)
        place = ((row // USED) if GATED else m).to(tl.int64) * DEPTH
        known = n < WIDTH
        k = tl.arange(0, STEP)
        total = tl.zeros([COLUMNS, ROWS] if SWAPPED else [ROWS, COLUMNS], tl.float32)
        second = tl.zeros([COLUMNS, ROWS] if SWAPPED else [ROWS, COLUMNS], tl.float32)
        dtype: tl.constexpr = x.dtype.element_ty
        if BITS == 16:
            EVEN: tl.constexpr = WIDTH % COLUMNS == 0 and DEPTH % STEP == 0
            base = expert * ALL * DEPTH
            for start in range(0, DEPTH, STEP):
                at = start + k
                inside = at < DEPTH
                some = present[:, None] if DEPTH % STEP == 0 else present[:, None] & inside[None, :]
                tile = tl.load(x + place[:, None] + at[None, :], mask=some, other=0.0)
                if COPIED:
                    weight = source.load([(expert * ALL + column).to(tl.int32), start])
                else:
                    weight = _load(source, base, n, known, at, inside, DEPTH, EVEN)
                total = _times(weight.to(dtype), tile, total, SWAPPED)
                if GATED:
                    if COPIED:
                        weight = source.load([(expert * ALL + WIDTH + column).to(tl.int32), start])
                    else:
                        weight = _load(source, base + WIDTH * DEPTH, n, known, at, inside, DEPTH, EVEN)
                    second = _times(weight.to(dtype), tile, second, SWAPPED)
        else:
            WHOLE: tl.constexpr = WIDTH % COLUMNS == 0
            for chunk in range(CHUNKS):
                line = (expert * CHUNKS + chunk) * ALL
                if COPIED:
                    word = source.load([(line + column).to(tl.int32), 0])
                else:
                    word = _load(source, line * STEP, n, known, k, k < STEP, STEP, WHOLE)
                values = _unpack(word, BITS, dtype, QUICK)
                if BITS == 4:
                    pair = tl.load(scales + line + n, mask=known, other=0)
                    low = _scale(pair, False, dtype)
                    high = _scale(pair, True, dtype)
                    values = (values[0] * low, values[1] * low, values[2] * high, values[3] * high)
                if GATED:
                    if COPIED:
                        word = source.load([(line + WIDTH + column).to(tl.int32), 0])
                    else:
                        word = _load(source, (line + WIDTH) * STEP, n, known, k, k < STEP, STEP, WHOLE)
                    ups = _unpack(word, BITS, dtype, QUICK)
                    if BITS == 4:
                        pair = tl.load(scales + line + WIDTH + n, mask=known, other=0)
                        low = _scale(pair, False, dtype)
                        high = _scale(pair, True, dtype)
                        ups = (ups[0] * low, ups[1] * low, ups[2] * high, ups[3] * high)
                for slice in tl.static_range(SLICES):
                    at = (chunk * SLICES + slice) * STEP + k
                    tile = tl.load(x + place[:, None] + at[None, :], mask=present[:, None], other=0.0)
                    total = _times(values[slice], tile, total, SWAPPED)
                    if GATED:
                        second = _times(ups[slice], tile, second, SWAPPED)
                if SWAPPED and COMPILED:  # unpacked weights are the left operand, which is read from registers
                    total = _settled(total)
                    if GATED:
                        second = _settled(second)
        if SWAPPED:
            total = tl.trans(total)
            second = tl.trans(second)
        if BITS == 8:
            total *= tl.load(scales + expert * ALL + n, mask=known, other=0.0)[None, :]
            if GATED:
                second *= tl.load(scales + expert * ALL + WIDTH + n, mask=known, other=0.0)[None, :]
        if GATED:
            if GELU:  # x * sigmoid(2 z) is x * (1 + tanh(z)) / 2
                total *= tl.sigmoid(1.5957691216057308 * (total + 0.044715 * total * total * total))
            else:
                total *= tl.sigmoid(total)
            total *= second
            goal = m
        else:
            total *= tl.load(shares + row, mask=present, other=0.0).to(tl.float32)[:, None]
            goal = row
        at = out + goal.to(tl.int64)[:, None] * WIDTH + n[None, :]
        tl.store(at, total.to(out.dtype.element_ty), mask=present[:, None] & known[None, :])


@triton.jit
def _sum(parts, out, WIDTH: tl.constexpr, USED: tl.constexpr, COLUMNS: tl.constexpr, OVERLAPPED: tl.constexpr):
    """`out` (tokens, WIDTH): the sum of `parts` (tokens, USED, WIDTH), in float32 and always in the same order."""
    if OVERLAPPED:
        gdc_wait()
    token = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([COLUMNS], tl.float32)
    for used in tl.static_range(USED):
        total += tl.load(parts + (token * USED + used) * WIDTH + n, mask=n < WIDTH, other=0.0).to(tl.float32)
    tl.store(out + token * WIDTH + n, total.to(out.dtype.element_ty), mask=n < WIDTH)


# The layer


def bits_of(scales: Tensor | None) -> int:
    """16, 8 or 4: the form of an expert matrix is known by its scales."""
    return 16 if scales is None else 8 if scales.is_floating_point() else 4


def launch(
    hidden: Tensor,
    chosen: Tensor,
    shares: Tensor,
    gate_up: Tensor,
    down: Tensor,
    gate_up_scales: Tensor | None,
    down_scales: Tensor | None,
    activation: str,
    cut: Tiles,
) -> Tensor:
    """The layer's output (tokens, width), see `grouped`; the weights as `quantise` stores them or in 16 bits."""
    hidden, chosen, shares = hidden.contiguous(), chosen.contiguous(), shares.contiguous()
    tokens, used = chosen.shape
    if not tokens:
        return torch.zeros_like(hidden)
    groups = group(chosen, len(gate_up), cut.rows, cut.overlapped)
    gated = hidden.new_empty(tokens * used, gate_up.shape[-2] // 2)
    multiply(hidden, gate_up, gate_up_scales, groups, shares, gated, cut.gate_up, activation, cut.overlapped)
    parts = hidden.new_empty(tokens, used, hidden.shape[1])
    multiply(gated, down, down_scales, groups, shares, parts, cut.down, None, cut.overlapped)
    out = torch.empty_like(hidden)
    width = hidden.shape[1]
    grid = (tokens, triton.cdiv(width, 1024))
    _sum[grid](parts, out, WIDTH=width, USED=used, COLUMNS=1024, num_warps=4, **_overlapped(cut.overlapped))
    return out


@dataclass(frozen=True)
class Groups:
    """The assignments by expert: `rows` (assignments) their numbers; `table` (3, blocks), see `_group`."""

    rows: Tensor
    table: Tensor
    size: int  # of a block


def group(chosen: Tensor, experts: int, size: int, overlapped: bool = False) -> Groups:
    """The assignments `chosen` (tokens, experts used) in blocks of at most `size`."""
    count = chosen.numel()
    blocks = min(count, experts) + count // size  # at most: every expert hit may have one block that is not full
    rows = torch.empty(count, dtype=torch.int32, device=chosen.device)
    table = torch.empty(3, blocks, dtype=torch.int32, device=chosen.device)
    _group[(experts,)](
        chosen,
        rows,
        table,
        count,
        blocks,
        EXPERTS=experts,
        BINS=triton.next_power_of_2(experts),
        BLOCK=size,
        CHUNK=min(2048, max(256, triton.next_power_of_2(count))),
        num_warps=8,
        **_overlapped(overlapped),
    )
    return Groups(rows, table, size)


def multiply(
    x: Tensor,
    weights: Tensor,
    scales: Tensor | None,
    groups: Groups,
    shares: Tensor,
    out: Tensor,
    tile: Tile,
    activation: str | None,
    overlapped: bool = False,
) -> None:
    """One of the two products into `out`, see `_multiply`: with an `activation` the gated one, else the other."""
    bits, blocks, columns = bits_of(scales), groups.table.shape[1], out.shape[-1]
    step = tile.depth if bits == 16 else weights.shape[-1]
    source = weights
    if tile.copied:
        source = TensorDescriptor.from_tensor(weights.view(-1, weights.shape[-1]), [tile.columns, step])
    _multiply[(blocks, triton.cdiv(columns, tile.columns))](
        x,
        weights,
        source,
        scales,
        groups.rows,
        groups.table,
        shares,
        out,
        blocks,
        WIDTH=columns,
        DEPTH=x.shape[1],
        USED=shares.shape[1],
        GATED=activation is not None,
        GELU=activation == "gelu",
        BITS=bits,
        ROWS=groups.size,
        COLUMNS=tile.columns,
        STEP=step,
        SWAPPED=tile.swapped,
        COPIED=tile.copied,
        QUICK=x.dtype == torch.bfloat16 and not INTERPRETED,
        num_warps=tile.warps,
        num_stages=tile.stages if x.element_size() == 2 else 2,  # what else fits where twice the memory is taken
        **_overlapped(overlapped),
    )


def _overlapped(overlapped: bool) -> dict[str, bool]:
    """The arguments of a kernel that may start before the last one has ended."""
    return {"OVERLAPPED": overlapped} | ({} if INTERPRETED else {"launch_pdl": overlapped})


# Operators of their own, which a compiler takes as they are: they run in a compiled step and in a captured one.


@torch.library.custom_op(
    "drafting::grouped_experts",
    mutates_args=(),
    schema="(Tensor hidden, Tensor chosen, Tensor shares, Tensor gate_up, Tensor down, Tensor? gate_up_scales, "
    "Tensor? down_scales, str activation) -> Tensor",
)
def _operator(
    hidden: Tensor,
    chosen: Tensor,
    shares: Tensor,
    gate_up: Tensor,
    down: Tensor,
    gate_up_scales: Tensor | None,
    down_scales: Tensor | None,
    activation: str,
) -> Tensor:
    cut = tiles(chosen.numel() / len(gate_up), bits_of(gate_up_scales))
    return launch(hidden, chosen, shares, gate_up, down, gate_up_scales, down_scales, activation, cut)


@_operator.register_fake
def _(hidden: Tensor, *_: object) -> Tensor:
    return torch.empty_like(hidden, memory_format=torch.contiguous_format)


def grouped(experts: nn.Module, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """The layer's output (tokens, width), the same as the library's own implementations give, without gradients.

    `experts`: with `gate_up_proj` (experts, 2 * inner, width), gates first, and `down_proj` (experts, width, inner), or
    as `quantise` leaves it. `hidden`: (tokens, width); `chosen`, `weights`: (tokens, experts used), the experts a token
    goes to and their shares.
    """
    stored = "quantised" if hasattr(experts, "gate_up_scales") else "proj"
    return torch.ops.drafting.grouped_experts(
        hidden,
        chosen,
        weights,
        getattr(experts, f"gate_up_{stored}"),
        getattr(experts, f"down_{stored}"),
        getattr(experts, "gate_up_scales", None),
        getattr(experts, "down_scales", None),
        ACTIVATIONS[type(experts.act_fn)],
    )


# The choice of experts


@torch.library.custom_op(
    "drafting::choose_experts",
    mutates_args=(),
    schema="(Tensor scores, Tensor scales, int used) -> (Tensor, Tensor)",
)
def _choice(scores: Tensor, scales: Tensor, used: int) -> tuple[Tensor, Tensor]:
    weights, chosen = told = _no_choice(scores, scales, used)
    tokens, experts = scores.shape
    if used > experts:
        raise ValueError(f"a token cannot go to {used} of {experts} experts")
    if not tokens:
        return told
    if scores.element_size() != 2 or experts > 1 << 15:  # a place has as many bits as a score
        scores = scores.float()
    bins = triton.next_power_of_2(experts)
    overlapped = _can_overlap()
    _choose[(tokens,)](
        scores.contiguous(),
        scales.contiguous(),
        chosen,
        weights,
        EXPERTS=experts,
        BINS=bins,
        USED=used,
        PLACES=triton.next_power_of_2(used),
        num_warps=1 if bins <= 512 else 4,
        **_overlapped(overlapped),
    )
    return told


def _no_choice(scores: Tensor, scales: Tensor, used: int) -> tuple[Tensor, Tensor]:
    tokens = scores.shape[0]
    return (
        scores.new_empty(tokens, used, dtype=torch.promote_types(torch.float32, scales.dtype)),
        scores.new_empty(tokens, used, dtype=torch.int64),
    )


@_choice.register_fake
def _(scores: Tensor, scales: Tensor, used: int) -> tuple[Tensor, Tensor]:
    return _no_choice(scores, scales, used)


def route(router: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """What a `DiffusionGemmaTextRouter` says but for the probabilities, without gradients: weights and chosen experts.

    `hidden`: (tokens, width). Returns the weights, float32 for a router in 32 or fewer bits, and the experts, int64,
    (tokens, experts used) each, the likeliest first. Of equally likely experts the first are chosen.
    """
    own: Any = router
    scores = own.proj(own.norm(hidden) * own.scale * own.scalar_root_size)
    return torch.ops.drafting.choose_experts(scores, own.per_expert_scale, own.config.top_k_experts)


# Fewer bits


def quantise(experts: nn.Module, bits: int) -> None:
    """Replace an experts module's weights by 8 or 4 bits and scales, in place; `grouped` alone can run it then.

    8 bits: one float32 scale per output column. 4 bits: one bfloat16 scale per output column and 64 inputs, or 32 where
    the inputs are no multiple of 128. At no time is there more than one matrix of the layer twice.
    """
    if bits not in (8, 4):
        raise ValueError(f"experts can be quantised to 8 or 4 bits, not {bits}")
    for name in ("gate_up", "down"):
        weights: Tensor = getattr(experts, f"{name}_proj").detach()
        pairs = [to_eight_bits(weight) if bits == 8 else to_four_bits(weight) for weight in weights]
        delattr(experts, f"{name}_proj")
        experts.register_buffer(f"{name}_quantised", torch.stack([pair[0] for pair in pairs]))
        experts.register_buffer(f"{name}_scales", torch.stack([pair[1] for pair in pairs]))


def to_eight_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """One expert's `weight` (columns, depth) as words (chunks, columns, step), see `_words`, and scales (columns)."""
    exact = weight.float()
    scales = exact.abs().amax(1).clamp(min=1e-12) / 127
    return _words((exact / scales[:, None]).round().clamp(-127, 127), 8), scales


def to_four_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """One expert's `weight` (columns, depth) as words (chunks, columns, step), see `_words`, and scales.

    The scales are int32 (chunks, columns): a bfloat16 for the first half of a chunk's inputs, in the low bits, and one
    for the second half. A scale is the one of a few that leaves the least squared error in its group.
    """
    columns, depth = weight.shape
    group = 2 * _step(depth, 4)
    exact = weight.float().view(columns, -1, group)
    extreme = exact.gather(-1, exact.abs().argmax(-1, keepdim=True))  # goes to -8 or near: there are 8 below, 7 above
    least = torch.full_like(extreme, torch.inf)
    scales, values = torch.zeros_like(extreme), torch.zeros_like(exact)
    for reach in (-8.7, -8.35, -8.0, -7.65, -7.3, -7.0, 7.0):
        tried = (extreme / reach).bfloat16().float()
        tried = torch.where(tried == 0, torch.ones_like(tried), tried)
        rounded = (exact / tried).round().clamp(-8, 7)
        missed = (rounded * tried - exact).square().sum(-1, keepdim=True)
        better = missed < least
        least = torch.where(better, missed, least)
        scales, values = torch.where(better, tried, scales), torch.where(better, rounded, values)
    halves = scales.bfloat16().view(torch.int16).to(torch.int32).view(columns, -1, 2).transpose(0, 1)
    return _words(values.view(columns, depth) + 8, 4), (halves[..., 0] & 0xFFFF) | halves[..., 1] << 16


def _step(depth: int, bits: int) -> int:
    """How many words of quantised weights hold a chunk of a row: as many as leave no part of a chunk over."""
    steps = {8: (64, 32, 16), 4: (32, 16)}[bits]
    step = next((step for step in steps if depth % (16 // bits * step) == 0), None)
    if step is None:
        raise ValueError(f"{bits} bits need rows of a multiple of {16 // bits * steps[-1]} inputs, not {depth}")
    return step


def _words(values: Tensor, bits: int) -> Tensor:
    """Whole numbers (columns, depth) of 8 or 4 bits as 16-bit words (chunks, columns, step).

    A chunk is `step` inputs per weight in a word: the first `step` inputs are in the words' lowest bits, the next ones
    in the bits above, and so on. A kernel thus reads a chunk of several columns as one piece of memory, and gets from
    a tile of words several tiles of weights without moving anything between threads.
    """
    slices, step = 16 // bits, _step(values.shape[1], bits)
    parts = (
        values.to(torch.int32).view(len(values), -1, slices, step).transpose(0, 1)
    )  # (chunks, columns, slices, step)
    word = torch.zeros_like(parts[:, :, 0])
    for place in range(slices):
        word |= (parts[:, :, place] & (1 << bits) - 1) << bits * place
    return word.to(torch.int16)  # the bits above the sixteenth, a sign of 32 bits, go


ALL_EXPERTS_FUNCTIONS.register(GROUPED, grouped)
