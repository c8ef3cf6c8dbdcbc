"""Linear algebra at every order, at equal eigenvalues, and of matrices that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import linalg
from minigrad.errors import LinAlgError, MinigradError, ShapeError
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array
from tests.cases.decompositions import made_symmetric, symmetric
from tests.cases.inverses import regular
from tests.cases.norms import matrices

TOLERANCE = 1e-12
HIGHER_TOLERANCE = 1e-5  # differences of a derivative that is itself rounded


def draw(drawer: Any, seed: int = 0) -> Array:
    (array,) = drawer(np.random.default_rng(seed))
    return np.asarray(array)


def projection(a: Tensor, count: int) -> Tensor:
    """Return the projection onto the space of the first eigenvectors."""
    v = linalg.eigh(made_symmetric(a)).eigenvectors[..., :count]
    return v @ v.mT


def rotations(a: Tensor) -> tuple[Tensor, ...]:
    """Return what does not depend on the signs of singular vectors."""
    u, _, vh = linalg.svd(a, full_matrices=False)
    return u @ vh, mg.square(u), mg.square(vh)


# ------------------------------------------------------------------------------ orders

FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "inv": (linalg.inv, (regular(2, 2, 2),)),
    "solve": (linalg.solve, (regular(2, 2), matrices(2, 2, 1))),
    "solve vector": (linalg.solve, (regular(2, 2), lambda rng: (rng.normal(size=2),))),
    "solve right": (lambda a, b: linalg.solve(a, b, left=False), (regular(2, 2), matrices(1, 2))),
    "solve triangular": (
        lambda a, b: linalg.solve_triangular(a, b, upper=True),
        (regular(2, 2), matrices(2, 1)),
    ),
    "det": (linalg.det, (regular(3, 3),)),
    "slogdet": (linalg.slogdet, (regular(3, 3),)),
    "matrix_power": (lambda a: linalg.matrix_power(a, -3), (regular(2, 2),)),
    "cholesky": (lambda a: linalg.cholesky(made_symmetric(a)), (symmetric(3, 3),)),
    "eigvalsh": (lambda a: linalg.eigvalsh(made_symmetric(a)), (symmetric(3, 3),)),
    "eigh": (
        lambda a: mg.square(linalg.eigh(made_symmetric(a)).eigenvectors),
        (symmetric(3, 3),),
    ),
    "projection": (lambda a: projection(a, 2), (symmetric(3, 3),)),
    "svdvals": (linalg.svdvals, (matrices(3, 2),)),
    "svd": (rotations, (matrices(2, 3),)),
    "nuclear norm": (lambda a: linalg.matrix_norm(a, "nuc"), (matrices(3, 2),)),
    "spectral norm": (lambda a: linalg.matrix_norm(a, 2), (matrices(2, 3),)),
}


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_order(name: str, order: int) -> None:
    function, drawers = FUNCTIONS[name]
    inputs = [draw(drawer, seed) for seed, drawer in enumerate(drawers)]
    gradgradcheck(function, inputs, order=order, max_elements=9, rtol=HIGHER_TOLERANCE)


# ------------------------------------------------------------------------------ determinants


@pytest.mark.parametrize(
    "a",
    [
        np.zeros((1, 1)),
        np.array([[1.0, 2.0], [2.0, 4.0]]),
        np.diag([1.0, 2.0, 0.0]),
        np.diag([1.0, 0.0, 0.0]),
        np.zeros((3, 3)),
        np.stack([np.eye(2), np.zeros((2, 2)), np.ones((2, 2))]),
    ],
    ids=lambda a: f"{a.shape}",
)
def test_determinant_of_singular_matrices(a: Array) -> None:
    """It is a polynomial: what needs an inverse is the formula, not the gradient."""
    gradcheck(linalg.det, a)
    for order in (2, 3):
        gradgradcheck(linalg.det, a, order=order, max_elements=9)


def test_determinants_beyond_the_range_of_floats() -> None:
    a = Tensor(np.eye(4) * 1e-100, requires_grad=True)
    assert linalg.det(a).item() == 0.0
    sign, logabsdet = linalg.slogdet(-a[:3, :3])
    assert (sign.item(), sign.requires_grad) == (-1.0, False)
    np.testing.assert_allclose(logabsdet.item(), -300 * np.log(10.0), rtol=TOLERANCE)
    logabsdet.backward()
    assert a.grad is not None
    np.testing.assert_allclose(a.grad.array, np.diag([1e100] * 3 + [0.0]), rtol=TOLERANCE)


def test_logarithms_of_determinants_that_have_none() -> None:
    a = mg.tensor([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    np.testing.assert_array_equal(mg.logdet(a).array, [np.nan, -np.inf, 0.0])
    np.testing.assert_array_equal(linalg.slogdet(a).sign.array, [-1.0, 0.0, 1.0])


def test_gradient_of_the_logarithm_at_a_singular_matrix_is_refused() -> None:
    a = mg.ones(2, 2, requires_grad=True)
    with pytest.raises(LinAlgError, match="the matrix is singular"):
        linalg.slogdet(a).logabsdet.backward()
    assert a.grad is None


# ------------------------------------------------------------------------------ symmetric matrices

OF_ONE_TRIANGLE: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (linalg.cholesky, "lower"),
    (lambda a: linalg.cholesky(a, upper=True), "upper"),
    (linalg.eigvalsh, "lower"),
    (lambda a: linalg.eigvalsh(a, "U"), "upper"),
    (lambda a: mg.square(linalg.eigh(a).eigenvectors), "lower"),
    (lambda a: mg.square(linalg.eigh(a, "U").eigenvectors), "upper"),
]


@pytest.mark.parametrize("number", range(len(OF_ONE_TRIANGLE)))
def test_gradient_is_symmetric_although_one_triangle_is_read(number: int) -> None:
    function, triangle = OF_ONE_TRIANGLE[number]
    full = draw(symmetric(2, 3, 3))
    half = np.where(np.tri(3) == 1, full, 7.0) if triangle == "lower" else None
    half = np.where(np.tri(3).T == 1, full, 7.0) if half is None else half
    upstream = np.random.default_rng(1).normal(size=function(Tensor(full)).shape)
    gradients = []
    for array in (full, half):
        leaf = Tensor(array, requires_grad=True)
        y = function(leaf)
        np.testing.assert_allclose(y.array, function(Tensor(full)).array, rtol=TOLERANCE)
        y.backward(upstream)
        assert leaf.grad is not None
        gradients.append(leaf.grad.array)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=TOLERANCE)
    np.testing.assert_allclose(gradients[0], np.swapaxes(gradients[0], 1, 2), atol=TOLERANCE)
    # The one of the function of symmetric matrices: a function that makes them so has it too.
    leaf = Tensor(full, requires_grad=True)
    function(made_symmetric(leaf)).backward(upstream)
    assert leaf.grad is not None
    np.testing.assert_allclose(leaf.grad.array, gradients[0], atol=TOLERANCE)


EQUAL = (
    [1.0, 1.0, 2.0, 3.0],
    [1.0, 1.0, 1.0, 3.0],
    [-2.0, -2.0, 5.0, 5.0],
    [0.0, 0.0, 1.0, 4.0],
    [-5.0, -5.0, -1.0, 0.0],  # the largest absolute value is the first
)


def with_eigenvalues(w: list[float]) -> Array:
    q = np.linalg.qr(np.random.default_rng(2).normal(size=(len(w), len(w))))[0]
    return np.asarray((q * w) @ q.T)


@pytest.mark.parametrize("w", EQUAL)
def test_equal_eigenvalues(w: list[float]) -> None:
    """The projection onto their space and their sum are differentiable; the sum also twice."""
    a, count = with_eigenvalues(w), w.count(w[0])
    gradcheck(lambda t: projection(t, count), a)
    gradcheck(lambda t: linalg.eigvalsh(made_symmetric(t))[:count].sum(), a)
    gradgradcheck(lambda t: linalg.eigvalsh(made_symmetric(t))[:count].sum(), a)


@pytest.mark.parametrize("a", [np.eye(3), np.zeros((3, 3)), np.diag([1.0, 1.0, 2.0])])
def test_vectors_of_equal_eigenvalues_get_a_finite_gradient(a: Array) -> None:
    leaf = Tensor(a, requires_grad=True)
    upstream = np.random.default_rng(0).normal(size=(3, 3))
    linalg.eigh(leaf).eigenvectors.backward(upstream)
    assert leaf.grad is not None
    assert np.isfinite(leaf.grad.array).all()
    assert leaf.grad.array[0, 1] == 0.0  # nothing turns these two into each other


def test_eigenvalues_that_are_close_but_differ() -> None:
    """The vector's gradient is large, 1e6 for a distance of 1e-6, and right."""
    a = Tensor(np.diag([1.0, 1.0 + 1e-6, 3.0]), requires_grad=True)
    linalg.eigh(a).eigenvectors[1, 0].backward()
    assert a.grad is not None
    np.testing.assert_allclose(np.abs(a.grad.array[0, 1]), 0.5e6, rtol=1e-9)


def test_rounding_does_not_make_equal_eigenvalues_differ() -> None:
    for dtype, bound in ((np.float64, 1e-12), (np.float32, 1e-4)):
        leaf = Tensor(with_eigenvalues([1.0, 1.0, 1.0, 3.0]).astype(dtype), requires_grad=True)
        v = linalg.eigh(leaf).eigenvectors[:, :3]
        weights: Any = np.random.default_rng(0).normal(size=(4, 4)).astype(dtype)
        (v @ v.mT * weights).sum().backward()
        assert leaf.grad is not None
        p: Any = np.asarray(v.detach() @ v.detach().mT, np.float64)
        g: Any = (weights + weights.T) / 2.0
        # dP = (P dA Q + Q dA P) / (1 - 3), Q being the projection onto the other space
        desired = -(p @ g @ (np.eye(4) - p) + (np.eye(4) - p) @ g @ p) / 2.0
        np.testing.assert_allclose(leaf.grad.array, desired, atol=bound)


def test_singular_values_that_are_equal_or_zero() -> None:
    q = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    gradcheck(lambda a: linalg.svdvals(a).sum(), q * 2.0)
    gradcheck(lambda a: linalg.svdvals(a)[:2].sum(), q * [1.0, 2.0, 2.0])
    for array in (np.eye(3), np.zeros((3, 2)), np.ones((2, 3))):
        leaf = Tensor(array, requires_grad=True)
        u, s, vh = linalg.svd(leaf, full_matrices=False)
        (u[0, 0] + s.sum() + vh[0, 0]).backward()
        assert leaf.grad is not None
        assert np.isfinite(leaf.grad.array).all()


# ------------------------------------------------------------------------------ what is refused


def test_error_is_numpys_too_and_names_the_matrix() -> None:
    a = np.zeros((2, 3, 2, 2)) + np.eye(2)
    a[1, 2] = 0.0
    for function in (linalg.inv, lambda t: linalg.solve(t, np.ones((2, 1)))):
        with pytest.raises(np.linalg.LinAlgError, match=r"matrix \(1, 2\) of \(2, 3\) is singular"):
            function(Tensor(a))
    with pytest.raises(
        MinigradError, match=r"matrix \(1, 2\) of \(2, 3\) is not positive definite"
    ):
        linalg.cholesky(a)
    assert issubclass(LinAlgError, ValueError)


def test_iteration_that_does_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    for name, function in (
        ("eigh", linalg.eigh),
        ("eigvalsh", linalg.eigvalsh),
        ("svd", linalg.svd),
    ):
        monkeypatch.setattr(np.linalg, name, fail)
        with pytest.raises(LinAlgError, match=f"{name}: the matrix did not converge"):
            function(mg.ones(2, 2))
    with pytest.raises(LinAlgError, match="svdvals: the matrix did not converge"):
        linalg.svdvals(mg.ones(2, 2))


def test_nan_propagates() -> None:
    nan = mg.full((2, 2), np.nan)
    for function in (linalg.inv, linalg.cholesky, linalg.det, linalg.eigvalsh, mg.logdet):
        assert mg.isnan(function(nan)).array.any()
    assert mg.isnan(linalg.slogdet(nan).logabsdet)


def test_full_matrices_of_what_is_not_square() -> None:
    with pytest.raises(ShapeError, match=r"needs square matrices, got shape \(2, 3\); pass full"):
        linalg.svd(mg.ones(2, 3))
    assert linalg.svd(mg.ones(2, 2)).U.shape == (2, 2)


# ------------------------------------------------------------------------------ spellings


def test_numpys_spellings() -> None:
    a = draw(symmetric(2, 3, 3))
    x = Tensor(a, requires_grad=True)
    pairs: list[tuple[Any, Any]] = [
        (np.linalg.inv(x), np.linalg.inv(a)),
        (np.linalg.solve(x, a), np.linalg.solve(a, a)),
        (np.linalg.solve(a, x[0]), np.linalg.solve(a, a[0])),
        (np.linalg.solve(x, a[0, 0]), np.linalg.solve(a, a[0, 0])),
        (np.linalg.det(x), np.linalg.det(a)),
        (np.linalg.slogdet(x)[1], np.linalg.slogdet(a)[1]),
        (np.linalg.slogdet(x).logabsdet, np.linalg.slogdet(a)[1]),
        (np.linalg.cholesky(x), np.linalg.cholesky(a)),
        (np.linalg.cholesky(x, upper=True), np.swapaxes(np.linalg.cholesky(a), 1, 2)),
        (np.linalg.eigh(x).eigenvalues, np.linalg.eigvalsh(a)),
        (np.linalg.eigh(x, "u")[0], np.linalg.eigvalsh(a)),
        (np.linalg.eigvalsh(x), np.linalg.eigvalsh(a)),
        (np.linalg.eigvalsh(x, UPLO="l"), np.linalg.eigvalsh(a)),
        (np.linalg.svd(x)[1], np.linalg.svd(a)[1]),
        (np.linalg.svd(x, compute_uv=False), np.linalg.svd(a)[1]),
        (np.linalg.svdvals(x), np.linalg.svd(a)[1]),
        (np.linalg.matrix_power(x, 3), np.linalg.matrix_power(a, 3)),
        (np.linalg.matmul(x, a), a @ a),
        (np.linalg.matrix_transpose(x), np.swapaxes(a, 1, 2)),
    ]
    for actual, desired in pairs:
        assert actual.requires_grad
        np.testing.assert_allclose(actual.array, desired, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_matrix_is_no_stack_of_vectors_to_numpy() -> None:
    """PyTorch takes a right-hand side of shape (2, 3) as two vectors here; NumPy does not."""
    a, b = draw(regular(2, 3, 3)), np.ones((2, 3))
    assert linalg.solve(a, b).shape == (2, 3)
    with pytest.raises(ShapeError, match=r"got \(2, 3, 3\) and \(2, 3\)"):
        np.linalg.solve(Tensor(a), b)


def test_methods_and_their_names_in_pytorch() -> None:
    a = draw(symmetric(2, 3, 3))
    x = Tensor(a)
    pairs = [
        (x.inverse(), np.linalg.inv(a)),
        (x.det(), np.linalg.det(a)),
        (x.logdet(), np.log(np.linalg.det(a))),
        (x.slogdet().logabsdet, np.log(np.linalg.det(a))),
        (x.matrix_power(2), a @ a),
        (x.cholesky(), np.linalg.cholesky(a)),
        (x.cholesky(upper=True), np.swapaxes(np.linalg.cholesky(a), 1, 2)),
        (mg.cholesky(x), np.linalg.cholesky(a)),
        (mg.matrix_power(x, 1), a),
        (mg.slogdet(x)[1], np.log(np.linalg.det(a))),
    ]
    for actual, desired in pairs:
        np.testing.assert_allclose(actual.array, desired, rtol=TOLERANCE, atol=TOLERANCE)


def test_reconstruction() -> None:
    a = draw(symmetric(2, 3, 3))
    w, v = linalg.eigh(a)
    np.testing.assert_allclose((v * w.unsqueeze(-2) @ v.mT).array, a, atol=TOLERANCE)
    b = draw(matrices(2, 3, 2))
    u, s, vh = linalg.svd(b, full_matrices=False)
    np.testing.assert_allclose((u * s.unsqueeze(-2) @ vh).array, b, atol=TOLERANCE)
    factor = linalg.cholesky(a, upper=True)
    np.testing.assert_allclose((factor.mT @ factor).array, a, atol=TOLERANCE)


def test_power_zero_is_its_own_memory() -> None:
    a = np.ones((2, 3, 3))
    identity = linalg.matrix_power(a, 0)
    identity.array[0, 0, 0] = 5.0
    np.testing.assert_array_equal(identity.array[1], np.eye(3))


def test_dtypes_are_promoted() -> None:
    a = mg.eye(2)
    assert linalg.solve(a, mg.ones(2).double()).dtype == np.float64
    assert linalg.solve_triangular(a.double(), mg.ones(2, 1), upper=True).dtype == np.float64


# ------------------------------------------------------------------------------ PyTorch

AGREEING: list[tuple[str, Callable[[Any, Any], Any], Any]] = [
    ("inv", lambda lib, a: lib.linalg.inv(a), regular(2, 3, 3)),
    ("solve", lambda lib, a: lib.linalg.solve(a, a[:, 0] * 2.0), regular(2, 3, 3)),
    ("solve left", lambda lib, a: lib.linalg.solve(a, a * a, left=False), regular(2, 3, 3)),
    (
        "solve_triangular",
        lambda lib, a: lib.linalg.solve_triangular(a, a, upper=False, unitriangular=True),
        regular(2, 3, 3),
    ),
    ("det", lambda lib, a: lib.linalg.det(a), regular(2, 3, 3)),
    ("slogdet", lambda lib, a: lib.linalg.slogdet(a).logabsdet, regular(2, 3, 3)),
    ("logdet", lambda lib, a: lib.logdet(a), symmetric(2, 3, 3)),
    ("matrix_power", lambda lib, a: lib.linalg.matrix_power(a, -2), regular(2, 3, 3)),
    ("cholesky", lambda lib, a: lib.linalg.cholesky(a), symmetric(2, 3, 3)),
    ("cholesky upper", lambda lib, a: lib.linalg.cholesky(a, upper=True), symmetric(2, 3, 3)),
    ("eigvalsh", lambda lib, a: lib.linalg.eigvalsh(a), symmetric(2, 3, 3)),
    ("eigh", lambda lib, a: lib.linalg.eigh(a).eigenvectors ** 2, symmetric(2, 3, 3)),
    ("svdvals", lambda lib, a: lib.linalg.svdvals(a), matrices(2, 3, 2)),
    ("svd", lambda lib, a: lib.linalg.svd(a, full_matrices=False).U ** 2, matrices(2, 3, 2)),
    ("svd Vh", lambda lib, a: lib.linalg.svd(a, full_matrices=False).Vh ** 2, matrices(2, 2, 3)),
    ("norm", lambda lib, a: lib.linalg.norm(a, "nuc", (1, 2)), matrices(2, 3, 2)),
    ("matrix_norm 2", lambda lib, a: lib.linalg.matrix_norm(a, 2), matrices(2, 3, 2)),
    ("matrix_norm 1", lambda lib, a: lib.linalg.matrix_norm(a, 1, (0, 2)), matrices(2, 3, 2)),
]


@pytest.mark.parametrize(
    ("function", "drawer"), [entry[1:] for entry in AGREEING], ids=[entry[0] for entry in AGREEING]
)
def test_pytorch_agrees(function: Callable[[Any, Any], Any], drawer: Any) -> None:
    torch = pytest.importorskip("torch")
    array = draw(drawer)
    ours, theirs = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    y, desired = function(mg, ours), function(torch, theirs)
    np.testing.assert_allclose(y.array, desired.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
    upstream = np.random.default_rng(5).normal(size=y.shape)
    y.backward(np.asarray(upstream))
    desired.backward(torch.tensor(upstream))
    assert ours.grad is not None
    np.testing.assert_allclose(
        ours.grad.array, theirs.grad.numpy(), rtol=TOLERANCE, atol=10 * TOLERANCE
    )
