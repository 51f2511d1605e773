"""Transposed convolutions agree with the gradient of the convolution, whichever way they are computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from defenses.bounds.rules.transposed import transposed


@settings(max_examples=80, deadline=None)
@given(
    size=st.tuples(st.integers(5, 11), st.integers(5, 11)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 2)),
    channels=st.sampled_from([1, 3, 4, 6]),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 2),
)
def test_it_is_the_gradient_of_the_convolution(size, kernel, stride, padding, channels, dilation, groups):
    reach = [dilation * (k - 1) for k in kernel]
    assume(all(n + 2 * p > r for n, p, r in zip(size, padding, reach, strict=True)))
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, channels, *kernel, dtype=torch.float64, generator=generator)
    image = torch.zeros(2, channels * groups, *size, dtype=torch.float64, requires_grad=True)
    result = F.conv2d(image, weight, None, stride, padding, dilation, groups)
    rows = torch.randn(result.shape, dtype=torch.float64, generator=generator)
    (expected,) = torch.autograd.grad(result, image, rows)
    found = transposed(rows, weight, size, stride, padding, (dilation, dilation), groups)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kernel", [1, 3])
def test_gradients_pass_to_rows_and_weight(kernel):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1, 2, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(2, 3, kernel, kernel, dtype=torch.float64, generator=generator, requires_grad=True)
    padding = (kernel // 2,) * 2
    torch.autograd.gradcheck(
        lambda r, w: transposed(r, w, (6, 6), (2, 2), padding, (1, 1), 1), (rows, weight), fast_mode=True
    )
