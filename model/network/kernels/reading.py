"""The output layer's result, read in two passes over its products: `capped_logits`, `bar` and `read` in one.

A vocabulary has hundreds of thousands of tokens, and a step reads a row of them for every free position. Done one
operation after the other that is a dozen passes over a matrix in float32 that is larger than what most layers weigh.
Here a first kernel takes from every stretch of a row its likeliest token, the sums of exponentials and what the entropy
needs, a small one puts the stretches of a row together, and a last one writes the probabilities and finds the drawn
token. On an H100, for a vocabulary of 262,144, that takes 0.0255 ms for 32 rows, 0.179 for 256 and 1.42 for 2048, where
the operations one after the other take 1.04, 4.3 and 31. The results are the same in every run, and a row's do not
depend on the other rows. Nothing waits for the device and the grids are sized by shapes alone, so that a step can be
captured in a CUDA graph.

The module needs Triton, which is no requirement of this package: import it only where a CUDA device will use it. It
knows nothing of what the tokens are. It computes no gradients.
"""

# mypy: disable-error-code="no-untyped-def"
# (Triton reads the annotations of a kernel's arguments itself: those of tensors have none.)

from __future__ import annotations

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError as error:
    raise ImportError(
        "model.network.kernels.reading needs Triton, which comes with the CUDA builds of torch for Linux; "
        "use `model.network.reading.read` on this machine"
    ) from error

# The fastest of five pairs on an H100, for 32, for 256 and for 2048 rows.
STRETCH = 2048  # tokens that one program reads: 128 programs for a row of 262,144, so that a few rows fill any device
WARPS = 4  # of a program
# In place of minus infinity: it can be subtracted from itself, and times 0 it is 0.
BARRED = tl.constexpr(-1e20)
LOG2E = tl.constexpr(1.4426950408889634)
COMPILED = tl.constexpr(not triton.knobs.runtime.interpret)


# Kernels


@triton.jit
def _power_of_two(x):
    """In one instruction, off by 2**-22 of itself: the usual one takes care of denormal results in four more."""
    if COMPILED:
        y = tl.inline_asm_elementwise("ex2.approx.ftz.f32 $0, $1;", "=r,r", [x], dtype=tl.float32, is_pure=True, pack=1)
    else:
        y = tl.exp2(x)
    return y


@triton.jit
def _inverse(x):
    """Likewise; of infinity 0."""
    if COMPILED:
        y = tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=r,r", [x], dtype=tl.float32, is_pure=True, pack=1)
    else:
        y = 1 / x
    return y


@triton.jit
def _logits(products, barred, opening, row, token, vocabulary, blank, cap):
    """The logits of the tokens `token` (STRETCH) of a row in float32, capped, with BARRED where none may stand."""
    inside = token < vocabulary
    product = tl.load(products + row.to(tl.int64) * vocabulary + token, mask=inside, other=0.0).to(tl.float32)
    hidden = tl.load(barred + token, mask=inside, other=1) != 0
    hidden = hidden | ((token == blank) & (tl.load(opening + row) != 0))
    # tanh(y) is 1 - 2 / (1 + exp(2 y)): off by some 1e-7, and right where the exponential is 0 or infinite.
    logit = cap - 2 * cap * _inverse(1 + _power_of_two(product * (2 * LOG2E / cap)))
    return tl.where(hidden, BARRED, logit)


@triton.jit(do_not_specialize=["blank"])
def _gather(
    products, barred, opening, temperatures, indices, sums, vocabulary, blank, cap, stretches, STRETCH: tl.constexpr
):
    """One program: a stretch of a row.

    `indices` (rows, stretches): the first of its likeliest tokens. `sums` (4, rows, stretches): the largest logit; and
    with logits less that one, the sum of exponentials, the sum of those at the row's temperature, and the sum of each
    of the latter times its exponent, to base 2.
    """
    row = tl.program_id(1)
    token = tl.program_id(0) * STRETCH + tl.arange(0, STRETCH)
    logit = _logits(products, barred, opening, row, token, vocabulary, blank, cap)
    most = tl.max(logit, 0)
    best = tl.min(tl.where(logit == most, token, vocabulary - 1), 0)
    below = logit - most
    exponent = below * (LOG2E / tl.load(temperatures + row))
    exponential = _power_of_two(exponent)
    at = row * stretches + tl.program_id(0)
    size = tl.num_programs(1) * stretches
    tl.store(indices + at, best)
    tl.store(sums + at, most)
    tl.store(sums + size + at, tl.sum(_power_of_two(below * LOG2E), 0))
    tl.store(sums + 2 * size + at, tl.sum(exponential, 0))
    tl.store(sums + 3 * size + at, tl.sum(exponential * exponent, 0))


@triton.jit
def _combine(
    indices,
    sums,
    temperatures,
    uniform,
    best,
    log_probability,
    sampled,
    entropy,
    drawn,
    levels,
    stretches,
    MOST: tl.constexpr,
):
    """One program per row: what its stretches say together, see `_gather` and `read_products`.

    `drawn` (rows): the stretch that the drawn token lies in, or one that there is not. `levels` (3, rows): the row's
    largest logit, the sum of its exponentials at its temperature, and what of that sum the drawn token's stretch has to
    exceed up to that token. `sampled` is `best` for now.
    """
    row, rows = tl.program_id(0), tl.num_programs(0)
    stretch = tl.arange(0, MOST)
    inside = stretch < stretches
    at = row * stretches + stretch
    size = rows * stretches
    largest = tl.load(sums + at, mask=inside, other=BARRED)
    most = tl.max(largest, 0)
    first = tl.load(indices + at, mask=inside, other=0)
    first = tl.min(tl.where(inside & (largest == most), first, 2147483647), 0)
    first = tl.where(first < 2147483647, first, 0)  # where nothing is a number, a token all the same
    below = largest - most
    plain = tl.load(sums + size + at, mask=inside, other=0.0) * _power_of_two(below * LOG2E)
    exponent = below * (LOG2E / tl.load(temperatures + row))
    weight = _power_of_two(exponent)
    own = tl.load(sums + 2 * size + at, mask=inside, other=0.0)
    mass = own * weight
    moment = (tl.load(sums + 3 * size + at, mask=inside, other=0.0) + own * exponent) * weight
    upto = tl.cumsum(mass, 0)
    total = tl.sum(tl.where(stretch == MOST - 1, upto, 0.0), 0)

    threshold = tl.load(uniform + row) * total
    chosen = tl.min(tl.where((upto > threshold) & (mass > 0), stretch, MOST), 0)
    before = tl.sum(tl.where(stretch == chosen - 1, upto, 0.0), 0)
    tl.store(best + row, first.to(tl.int64))
    tl.store(sampled + row, first.to(tl.int64))
    tl.store(log_probability + row, -tl.log(tl.sum(plain, 0)))
    tl.store(entropy + row, tl.log(total) - tl.sum(moment, 0) / (LOG2E * total))
    tl.store(drawn + row, chosen)
    tl.store(levels + row, most)
    tl.store(levels + rows + row, total)
    tl.store(levels + 2 * rows + row, threshold - before)


@triton.jit(do_not_specialize=["blank"])
def _write(
    products,
    barred,
    opening,
    temperatures,
    drawn,
    levels,
    probabilities,
    sampled,
    vocabulary,
    blank,
    cap,
    STRETCH: tl.constexpr,
):
    """One program: the probabilities (rows, vocabulary) of a stretch of a row, and the drawn token if it lies in it."""
    rows = tl.num_programs(1)
    # The last rows first: they were read last, and may be in the cache still.
    row = rows - 1 - tl.program_id(1)
    token = tl.program_id(0) * STRETCH + tl.arange(0, STRETCH)
    logit = _logits(products, barred, opening, row, token, vocabulary, blank, cap)
    exponential = _power_of_two((logit - tl.load(levels + row)) * (LOG2E / tl.load(temperatures + row)))
    probability = exponential * (1 / tl.load(levels + rows + row))
    at = probabilities + row.to(tl.int64) * vocabulary + token
    tl.store(at, probability.to(probabilities.dtype.element_ty), mask=token < vocabulary)
    if tl.load(drawn + row) == tl.program_id(0):
        # Sums that are rounded need not rise with every token: one that may not stand is never taken.
        beyond = (tl.cumsum(exponential, 0) > tl.load(levels + 2 * rows + row)) & (exponential > 0)
        found = tl.min(tl.where(beyond, token, vocabulary), 0)
        # Rounding can put the threshold behind the stretch's last token: then the likeliest of the row stays.
        tl.store(sampled + row, found.to(tl.int64), mask=found < vocabulary)


# The operator, which a compiler takes as it is: it runs in a compiled step and in a captured one.


@torch.library.custom_op(
    "drafting::read_products",
    mutates_args=(),
    schema="(Tensor products, float cap, Tensor barred, Tensor opening, int? blank_id, Tensor temperatures, "
    "Tensor uniform, ScalarType dtype) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def _operator(
    products: Tensor,
    cap: float,
    barred: Tensor,
    opening: Tensor,
    blank_id: int | None,
    temperatures: Tensor,
    uniform: Tensor,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    told = _empty(products, dtype)
    rows, vocabulary = products.shape
    if not rows:
        return told
    best, log_probability, sampled, entropy, probabilities = told
    products = products.contiguous()
    hidden, opens = (mask.contiguous().view(torch.uint8) for mask in (barred, opening))
    temperatures, uniform = temperatures.float().contiguous(), uniform.float().contiguous()
    blank = -1 if blank_id is None else blank_id
    stretches = triton.cdiv(vocabulary, STRETCH)
    device = products.device
    indices = torch.empty(rows, stretches, dtype=torch.int32, device=device)
    sums = torch.empty(4, rows, stretches, dtype=torch.float32, device=device)
    drawn = torch.empty(rows, dtype=torch.int32, device=device)
    levels = torch.empty(3, rows, dtype=torch.float32, device=device)
    grid = (stretches, rows)
    _gather[grid](
        products,
        hidden,
        opens,
        temperatures,
        indices,
        sums,
        vocabulary,
        blank,
        cap,
        stretches,
        STRETCH=STRETCH,
        num_warps=WARPS,
    )
    _combine[(rows,)](
        indices,
        sums,
        temperatures,
        uniform,
        best,
        log_probability,
        sampled,
        entropy,
        drawn,
        levels,
        stretches,
        MOST=triton.next_power_of_2(stretches),
        num_warps=1,
    )
    _write[grid](
        products,
        hidden,
        opens,
        temperatures,
        drawn,
        levels,
        probabilities,
        sampled,
        vocabulary,
        blank,
        cap,
        STRETCH=STRETCH,
        num_warps=WARPS,
    )
    return told


def _empty(products: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows = products.shape[0]
    return (
        products.new_empty(rows, dtype=torch.int64),
        products.new_empty(rows, dtype=torch.float32),
        products.new_empty(rows, dtype=torch.int64),
        products.new_empty(rows, dtype=torch.float32),
        products.new_empty(products.shape, dtype=dtype),
    )


@_operator.register_fake
def _(products: Tensor, *arguments: object) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    dtype = arguments[-1]
    assert isinstance(dtype, torch.dtype)
    return _empty(products, dtype)


def read_products(
    products: Tensor,
    cap: float,
    barred: Tensor,
    opening: Tensor,
    blank_id: int | None,
    temperatures: Tensor,
    uniform: Tensor,
    dtype: torch.dtype = torch.bfloat16,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """What `model.network.reading.read` says of the output layer's products, soft cap and barred tokens included.

    `products`: (rows, vocabulary), hidden states times the output layer, not capped, in any floating type; `cap`:
    a logit is tanh(product / cap) * cap in float32. `barred`: (vocabulary,) bool, tokens that may not stand. `opening`:
    (rows,) bool, where the token `blank_id`, if there is one, may not stand either. `temperatures`, `uniform`: (rows,).

    Returns `best` and `sampled`, int64, `log_probability` of `best` at temperature 1 and `entropy` in nats, float32, as
    (rows,) each in the order of `read`: best, log_probability, sampled, entropy; and the probabilities at the rows'
    temperatures (rows, vocabulary) in `dtype`. Of equally likely tokens the first is `best`.
    """
    return torch.ops.drafting.read_products(products, cap, barred, opening, blank_id, temperatures, uniform, dtype)
