"""vjp, jvp, hvp, jacobian and hessian: values, structures, higher order, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck

STEP = 1e-4  # of central differences of fourth order, in float64
TOLERANCE = 1e-8  # their error, for functions and derivatives of order one


def tensor(rng: np.random.Generator, *shape: int) -> Tensor:
    return mg.tensor(rng.normal(size=shape))


def directional(function: Callable[[float], Any]) -> Any:
    """Return the derivative at 0 of a function of a step, by fourth-order differences."""
    values = [np.asarray(function(k * STEP)) for k in (-2.0, -1.0, 1.0, 2.0)]
    return (values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12.0 * STEP)


def two(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Two outputs of two inputs, none of them linear."""
    return (x @ w).tanh(), (x * x).sum() * w[0]


def scalar(x: Tensor, w: Tensor) -> Tensor:
    return ((x @ w).tanh() ** 2).sum() + (x**3).sum() * 0.1


@pytest.fixture
def x(rng: np.random.Generator) -> Tensor:
    return tensor(rng, 3, 2)


@pytest.fixture
def w(rng: np.random.Generator) -> Tensor:
    return tensor(rng, 2, 4)


def test_jvp_is_the_directional_derivative(x: Tensor, w: Tensor, rng: np.random.Generator) -> None:
    v = tensor(rng, 3, 2), tensor(rng, 2, 4)
    outputs, product = mg.jvp(two, (x, w), v)
    for index in range(2):

        def along(step: float, index: int = index) -> Any:
            return two(x + v[0] * step, w + v[1] * step)[index].array

        np.testing.assert_allclose(product[index].array, directional(along), atol=TOLERANCE)
        np.testing.assert_array_equal(outputs[index].array, along(0.0))


def test_vjp_and_jvp_agree(x: Tensor, w: Tensor, rng: np.random.Generator) -> None:
    """``u . (J v) = (u J) . v``."""
    v = tensor(rng, 3, 2), tensor(rng, 2, 4)
    u = tensor(rng, 3, 4), tensor(rng, 4)
    _, pushed = mg.jvp(two, (x, w), v)
    _, pulled = mg.vjp(two, (x, w), u)
    left = sum((a * b).sum().item() for a, b in zip(u, pushed, strict=True))
    right = sum((a * b).sum().item() for a, b in zip(pulled, v, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-13)
    assert abs(left) > 0.1


def test_hvp_is_the_derivative_of_the_gradient(
    x: Tensor, w: Tensor, rng: np.random.Generator
) -> None:
    v = tensor(rng, 3, 2), tensor(rng, 2, 4)
    output, product = mg.hvp(scalar, (x, w), v)
    assert output.item() == scalar(x, w).item()
    for index in range(2):

        def along(step: float, index: int = index) -> Any:
            point = (x + v[0] * step).requires_grad_(), (w + v[1] * step).requires_grad_()
            (slope,) = mg.grad(scalar(*point), point[index])
            assert slope is not None
            return slope.array

        np.testing.assert_allclose(product[index].array, directional(along), atol=TOLERANCE)


def test_jacobian_and_hessian_contract_to_the_products(
    x: Tensor, w: Tensor, rng: np.random.Generator
) -> None:
    v = tensor(rng, 3, 2), tensor(rng, 2, 4)
    rows = mg.jacobian(two, (x, w))
    _, pushed = mg.jvp(two, (x, w), v)
    for row, output in zip(rows, pushed, strict=True):
        total = sum(np.tensordot(d.array, t.array, t.ndim) for d, t in zip(row, v, strict=True))
        np.testing.assert_allclose(total, output.array, rtol=1e-12)
    blocks = mg.hessian(scalar, (x, w))
    _, product = mg.hvp(scalar, (x, w), v)
    for row, part in zip(blocks, product, strict=True):
        total = sum(np.tensordot(d.array, t.array, t.ndim) for d, t in zip(row, v, strict=True))
        np.testing.assert_allclose(total, part.array, rtol=1e-12)
    np.testing.assert_allclose(
        blocks[0][1].array, blocks[1][0].array.transpose(2, 3, 0, 1), rtol=1e-12
    )


def test_through_fused_batch_norm(rng: np.random.Generator) -> None:
    x, gamma, beta, v = (tensor(rng, *shape) for shape in ((5, 3), (3,), (3,), (5, 3)))

    def normalised(x: Tensor) -> Tensor:
        result: Tensor = mg.batch_norm_train(x, gamma, beta).y
        return result

    _, product = mg.jvp(normalised, x, v)
    expected = directional(lambda step: normalised(x + v * step).array)
    np.testing.assert_allclose(product.array, expected, atol=TOLERANCE)


# ------------------------------------------------------------------------------ structures


def shapes(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(shapes(part) for part in result)
    assert isinstance(result, Tensor)
    return result.shape


def test_structures(x: Tensor, w: Tensor, rng: np.random.Generator) -> None:
    single: Callable[[Tensor], Tensor] = lambda x: x.sum(0)  # noqa: E731
    assert shapes(mg.jacobian(single, x)) == (2, 3, 2)
    assert shapes(mg.jacobian(single, (x,))) == ((2, 3, 2),)
    assert shapes(mg.jacobian(lambda x: (x, x.sum()), x)) == ((3, 2, 3, 2), (3, 2))
    assert shapes(mg.jacobian(two, (x, w))) == (
        ((3, 4, 3, 2), (3, 4, 2, 4)),
        ((4, 3, 2), (4, 2, 4)),
    )
    assert shapes(mg.hessian(lambda x: (x**2).sum(), x)) == (3, 2, 3, 2)
    assert shapes(mg.hessian(scalar, (x, w))) == (
        ((3, 2, 3, 2), (3, 2, 2, 4)),
        ((2, 4, 3, 2), (2, 4, 2, 4)),
    )
    assert shapes(mg.vjp(single, x, tensor(rng, 2))) == ((2,), (3, 2))
    assert shapes(mg.jvp(two, [x, w], [x, w])) == (((3, 4), (4,)), ((3, 4), (4,)))
    assert shapes(mg.hvp(lambda x: (x**2).sum(), (x,), (x,))) == ((), ((3, 2),))


def test_results_have_no_history_and_inputs_no_grad(x: Tensor) -> None:
    x.requires_grad_()
    results = [
        *mg.vjp(lambda x: (x**2).sum(), x),
        *mg.jvp(lambda x: (x**2).sum(), x, x.detach()),
        *mg.hvp(lambda x: (x**2).sum(), x, x.detach()),
        mg.jacobian(lambda x: x**2, x),
        mg.hessian(lambda x: (x**2).sum(), x),
    ]
    assert not any(result.requires_grad for result in results)
    assert x.grad is None
    with mg.no_grad():
        np.testing.assert_array_equal(mg.jacobian(lambda x: x.sum(), x).array, np.ones((3, 2)))


def test_dtype_is_kept() -> None:
    x = mg.tensor([1.0, 2.0])
    assert mg.jacobian(lambda x: x * x, x).dtype == np.float32
    assert mg.hessian(lambda x: (x**3).sum(), x).dtype == np.float32
    assert mg.jvp(lambda x: x * x, x, x)[1].dtype == np.float32


def test_empty() -> None:
    assert mg.jacobian(lambda x: x[:0], mg.ones(3)).shape == (0, 3)
    assert mg.hessian(lambda x: x.sum(), mg.ones(0)).shape == (0, 0)


def test_as_pytorch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.autograd.functional
    arrays = rng.normal(size=(3, 2)), rng.normal(size=(2, 4))
    vectors = rng.normal(size=(3, 2)), rng.normal(size=(2, 4))
    upstream = rng.normal(size=(3, 4)), rng.normal(size=4)
    ours, theirs = ([make(a) for a in arrays] for make in (mg.tensor, torch.tensor))
    v, their_v = ([make(a) for a in vectors] for make in (mg.tensor, torch.tensor))
    u, their_u = ([make(a) for a in upstream] for make in (mg.tensor, torch.tensor))
    for name, function, args in (
        ("jvp", two, (v, their_v)),
        ("vjp", two, (u, their_u)),
        ("hvp", scalar, (v, their_v)),
        ("jacobian", two, ()),
        ("hessian", scalar, ()),
    ):
        found = getattr(mg, name)(function, tuple(ours), *(tuple(part) for part in args[:1]))
        expected = getattr(functional, name)(
            function, tuple(theirs), *(tuple(part) for part in args[1:])
        )
        assert_same(found, expected)


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, tuple):
        assert isinstance(found, tuple)
        assert len(found) == len(expected)
        for left, right in zip(found, expected, strict=True):
            assert_same(left, right)
    else:
        np.testing.assert_allclose(found.array, expected.numpy(), rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------ differentiable


@pytest.mark.parametrize(
    "function",
    [
        lambda x, v: mg.vjp(lambda x: (x * x.exp()).sum(1), x, v.sum(1), create_graph=True)[1],
        lambda x, v: mg.jvp(lambda x: (x * x.exp()).sum(1), x, v, create_graph=True)[1],
        lambda x, v: mg.hvp(lambda x: (x * x.exp()).sum().tanh(), x, v, create_graph=True)[1],
        lambda x, v: mg.jacobian(lambda x: (x * x.exp()).sum(1), x, create_graph=True) * v,
        lambda x, v: mg.hessian(lambda x: (x * x.exp()).sum().tanh(), x, create_graph=True) * v,
    ],
    ids=["vjp", "jvp", "hvp", "jacobian", "hessian"],
)
def test_results_can_be_differentiated(
    function: Callable[..., Tensor], rng: np.random.Generator
) -> None:
    """By the inputs and by the vector."""
    assert gradcheck(function, [rng.normal(size=(2, 2)), rng.normal(size=(2, 2))])


def test_training_on_a_directional_derivative() -> None:
    """Parameters that the function captures take part under create_graph."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    x = mg.ones((4, 2), dtype="float64")
    _, slope = mg.jvp(net, x, mg.ones((4, 2), dtype="float64"), create_graph=True)
    (slope**2).sum().backward()
    weights = [p.grad for name, p in net.named_parameters() if name.endswith("weight")]
    assert all(gradient is not None and gradient.abs().sum().item() > 0.0 for gradient in weights)


# ------------------------------------------------------------------------------ independent parts


def test_independent_parts_are_zeros(x: Tensor, w: Tensor) -> None:
    constant = mg.ones(2, dtype="float64")

    def function(x: Tensor, w: Tensor) -> Any:
        return x * 2.0, constant

    zeros = np.zeros
    _, (by_x, by_w) = mg.vjp(function, (x, w), (x, constant))
    np.testing.assert_array_equal(by_x.array, 2.0 * x.array)
    np.testing.assert_array_equal(by_w.array, zeros((2, 4)))
    _, (first, second) = mg.jvp(function, (x, w), (x, w))
    np.testing.assert_array_equal(first.array, 2.0 * x.array)
    np.testing.assert_array_equal(second.array, zeros(2))
    rows = mg.jacobian(function, (x, w))
    np.testing.assert_array_equal(rows[0][1].array, zeros((3, 2, 2, 4)))
    np.testing.assert_array_equal(rows[1][0].array, zeros((2, 3, 2)))
    _, product = mg.vjp(lambda x: constant, x, constant)
    np.testing.assert_array_equal(product.array, zeros((3, 2)))
    _, product = mg.jvp(lambda x: constant, x, x)
    np.testing.assert_array_equal(product.array, zeros(2))
    blocks = mg.hessian(lambda x, w: x.sum() + (w**2).sum(), (x, w))
    np.testing.assert_array_equal(blocks[0][0].array, zeros((3, 2, 3, 2)))
    np.testing.assert_array_equal(blocks[1][1].array, 2.0 * np.eye(8).reshape(2, 4, 2, 4))
    _, (by_x, by_w) = mg.hvp(lambda x, w: x.sum() + (w**2).sum(), (x, w), (x, w))
    np.testing.assert_array_equal(by_x.array, zeros((3, 2)))
    np.testing.assert_array_equal(by_w.array, 2.0 * w.array)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: mg.vjp(lambda x: mg.ones(()), x, strict=True), "output 0 .* does not depend"),
        (lambda x: mg.jvp(lambda x: mg.ones(()), x, x, strict=True), "output 0 .* does not depend"),
        (lambda x: mg.jacobian(lambda x: mg.ones(2), x, strict=True), "output 0 .* does not"),
        (
            lambda x: mg.vjp(lambda x, w: x.sum(), (x, x), strict=True),
            "no output of func depends on input 1",
        ),
        (
            lambda x: mg.jacobian(lambda x, w: x.sum(), (x, x), strict=True),
            "an output of func, or its gradient, does not depend on input 1",
        ),
        (
            lambda x: mg.hvp(lambda x: x.sum(), x, x, strict=True),
            "the gradient by input 0 does not depend on any input",
        ),
        (
            lambda x: mg.hessian(lambda x, w: (x**2).sum() + w.sum(), (x, x), strict=True),
            "the gradient by input 1 does not depend on any input",
        ),
    ],
)
def test_strict(call: Callable[[Tensor], Any], match: str, x: Tensor) -> None:
    with pytest.raises(AutogradError, match=match):
        call(x)


# ------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: mg.jacobian(lambda x: x.array, x), TypeError, "got ndarray as output 0"),
        (lambda x: mg.vjp(lambda x: (x, 1.0), x), TypeError, "got float as output 1"),
        (lambda x: mg.jacobian(lambda x: x, x.array), TypeError, "got ndarray|got float"),
        (lambda x: mg.jacobian(lambda x: x, [x, x.tolist()]), TypeError, "got list as input 1"),
        (lambda x: mg.jacobian(lambda x: x, x.long()), DTypeError, "must be floating, got int64"),
        (lambda x: mg.hvp(lambda x: x, x, x), ShapeError, r"one element, got shape \(3, 2\)"),
        (lambda x: mg.hessian(lambda x: x, x), ShapeError, r"one element, got shape \(3, 2\)"),
        (lambda x: mg.hessian(lambda x: (x.sum(),), x), TypeError, "one Tensor, got a tuple"),
        (lambda x: mg.vjp(lambda x: x, x), ShapeError, "v is needed, one per output"),
        (lambda x: mg.jvp(lambda x: x, x), ShapeError, "v is needed, one per input"),
        (lambda x: mg.jvp(lambda x: x, x, x[0]), ShapeError, r"shape \(3, 2\), got \(2,\)"),
        (lambda x: mg.jvp(lambda x: x, x, (x, x)), ShapeError, "1 parts, one per input, got 2"),
        (lambda x: mg.jvp(lambda x: x, x, x.float()), DTypeError, "must be float64, got float32"),
        (lambda x: mg.vjp(lambda x: x, x, x.float()), DTypeError, "must be float64, got float32"),
        (lambda x: mg.hvp(lambda x: x.sum(), x, x[:1]), ShapeError, r"\(3, 2\), got \(1, 2\)"),
    ],
)
def test_errors(
    call: Callable[[Tensor], Any], error: type[Exception], match: str, x: Tensor
) -> None:
    with pytest.raises(error, match=match):
        call(x)
