"""Tensor's interface, against PyTorch's meaning, and NumPy's protocols."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.device import Device
from minigrad.errors import AutogradError, DeviceError, DTypeError, ShapeError
from minigrad.tensor import Tensor

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
I32, I64, BOOL = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.bool_)


def of(dtype: Any, *shape: int) -> Tensor:
    return Tensor(np.ones(shape, dtype=dtype))


# ------------------------------------------------------------------------------ construction


def test_tensor_copies_and_the_class_shares() -> None:
    array = np.zeros(2)
    assert not np.shares_memory(mg.tensor(array).array, array)
    assert Tensor(array).array is array
    assert mg.from_numpy(array).array is array
    assert mg.as_tensor(array).array is array
    t = Tensor(array)
    assert mg.as_tensor(t) is t
    assert Tensor(t).array is array


def test_tensors_of_one_array_share_their_version() -> None:
    t = Tensor(np.zeros(2))
    shared = Tensor(t)
    shared.add_(1.0)
    assert t._version == 1
    assert t.detach()._version == 1


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, F32),
        ([1.0, 2.0], F32),
        (3, I64),
        ([[1, 2], [3, 4]], I64),
        ([1, 2.5], F32),
        (True, BOOL),
        ([], F32),
        (np.float64(1.0), F64),
        (np.ones(2), F64),
        ([np.ones(2), np.ones(2)], F64),
        ([np.ones(2, dtype=F32)], F32),
        (np.ones(2, dtype=">f8"), F64),
        (np.arange(3, dtype=I32), I32),
    ],
)
def test_dtype_of_data(data: Any, dtype: np.dtype[Any]) -> None:
    tensor = mg.tensor(data)
    assert tensor.dtype == dtype
    assert tensor.dtype.isnative
    np.testing.assert_array_equal(tensor.array, np.asarray(data))


@pytest.mark.parametrize("data", ["text", [None], np.ones(2, dtype=complex), object()])
def test_data_that_are_no_real_numbers(data: Any) -> None:
    with pytest.raises(DTypeError, match="real numbers"):
        mg.tensor(data)


def test_ragged_data() -> None:
    with pytest.raises(ShapeError, match="regular shape"):
        mg.tensor([[1.0], [1.0, 2.0]])


def test_attributes() -> None:
    t = Tensor(np.zeros((2, 3), dtype=F32), requires_grad=True)
    assert (t.shape, t.ndim, t.dim(), t.dtype, t.nbytes) == ((2, 3), 2, 2, F32, 24)
    assert (t.size(), t.size(1), t.size(-1), t.numel(), t.element_size()) == ((2, 3), 3, 3, 6, 4)
    assert (t.stride(), t.stride(0)) == ((3, 1), 3)
    assert t.device == Device("cpu") == "cpu"
    assert t.is_leaf
    assert t.grad_fn is None
    assert t.is_contiguous()
    assert not t.T.is_contiguous()
    assert t.is_floating_point()
    assert not t.long().is_floating_point()
    assert not (t * 1.0).is_leaf
    assert "Mul" in repr((t * 1.0).grad_fn)


# ------------------------------------------------------------------------------ gradients


def test_grad_must_fit() -> None:
    t = mg.zeros(2, requires_grad=True)
    with pytest.raises(ShapeError, match=r"grad must have shape \(2,\)"):
        t.grad = mg.zeros(3)
    with pytest.raises(ShapeError, match=r"dtype float32, got .* float64"):
        t.grad = mg.zeros(2, dtype=mg.float64)
    with pytest.raises(DTypeError, match="Tensor or None, got ndarray"):
        t.grad = np.zeros(2)  # type: ignore[assignment]  # what is tested
    t.grad = mg.ones(2)
    t.grad = None


def test_requires_grad_in_place_and_as_attribute() -> None:
    t = mg.zeros(2)
    assert t.requires_grad_() is t
    assert t.requires_grad
    assert not t.requires_grad_(False).requires_grad


def test_data_changes_the_values_of_a_leaf() -> None:
    t = mg.zeros(2, requires_grad=True)
    y = t * t
    t.data = mg.ones(2)
    assert t.tolist() == [1.0, 1.0]
    assert t.requires_grad
    with pytest.raises(AutogradError, match="changed in place"):
        y.backward(np.ones(2, dtype=F32))
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        t.data = mg.ones(3)


# ------------------------------------------------------------------------------ values


def test_item_and_tolist() -> None:
    assert type(mg.tensor([[2.5]]).item()) is float
    assert type(mg.tensor(2).item()) is int
    assert mg.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ShapeError, match=r"one element, got shape \(2,\)"):
        mg.zeros(2).item()


def test_numbers_of_one_element() -> None:
    t = mg.tensor([2.75])
    assert float(t) == 2.75
    assert int(t) == 2
    assert f"{t:.1f}" == "2.8"
    assert [10, 20, 30][mg.tensor(1)] == 20
    with pytest.raises(TypeError, match="only integer Tensors"):
        [10, 20, 30][t]


def test_numpy_shares_and_refuses() -> None:
    t = mg.zeros(2)
    assert t.numpy() is t.array
    with pytest.raises(AutogradError, match="detach"):
        mg.zeros(2, requires_grad=True).numpy()


def test_truth() -> None:
    assert mg.tensor(1.0)
    assert not mg.tensor([[0]])
    with pytest.raises(ValueError, match="ambiguous"):
        bool(mg.zeros(2))


def test_equality_is_elementwise() -> None:
    t = mg.tensor([1.0, 2.0])
    assert (t == mg.tensor([1.0, 3.0])).tolist() == [True, False]
    assert (t == 1).dtype == BOOL
    assert (t != 1.0).tolist() == [False, True]
    assert ((t > 1.0) & (t < 3.0)).tolist() == [False, True]
    assert (~(t > 1.0)).tolist() == [True, False]
    assert not (t == 1.0).requires_grad
    for other in (None, "text"):  # as PyTorch: simply not equal
        assert [t == other, t != other] == [False, True]


def test_hash_is_identity() -> None:
    a, b = mg.ones(2), mg.ones(2)
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1


def test_iteration_and_length() -> None:
    t = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    rows = list(t)
    assert [row.tolist() for row in rows] == [[1.0, 2.0], [3.0, 4.0]]
    (rows[1] * 2.0).sum().backward()
    assert t.grad is not None
    assert t.grad.tolist() == [[0.0, 0.0], [2.0, 2.0]]
    assert len(t) == 2
    _, second = t
    assert second.tolist() == [3.0, 4.0]
    with pytest.raises(TypeError, match="rank 0"):
        len(mg.tensor(1.0))
    with pytest.raises(TypeError, match="rank 0"):
        iter(mg.tensor(1.0))


def test_dead_views_are_forgotten() -> None:
    t = mg.zeros(3)
    for _ in range(1000):
        t[:1]
    assert len(t.counter) < 10
    rows = [t[:1] for _ in range(100)]  # a quadratic search among live views would show here
    assert len(t.counter) >= 1 + len(rows)


def test_contains() -> None:
    t = mg.tensor([1.0, 2.0])
    assert 2.0 in t
    assert 3.0 not in t
    assert mg.tensor(1.0) in t


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (lambda: mg.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (lambda: mg.tensor(3), "tensor(3)"),
        (lambda: Tensor(np.ones(1)), "tensor([1.], dtype=float64)"),
        (lambda: mg.tensor([True]), "tensor([ True])"),
        (lambda: mg.zeros(1, requires_grad=True), "tensor([0.], requires_grad=True)"),
        (lambda: mg.zeros(1, requires_grad=True) * 2, "tensor([0.], grad_fn=<MulBackward>)"),
    ],
)
def test_repr(tensor: Callable[[], Tensor], text: str) -> None:
    assert repr(tensor()) == text


def test_deepcopy_of_a_leaf() -> None:
    t = mg.tensor([1.0, 2.0], requires_grad=True)
    (t * t).sum().backward()
    clone = copy.deepcopy(t)
    assert clone.requires_grad
    assert clone.is_leaf
    assert clone.grad is not None
    assert clone.grad.tolist() == [2.0, 4.0]
    with mg.no_grad():
        clone.add_(1.0)
    clone.grad.zero_()
    assert t.tolist() == [1.0, 2.0]
    assert t.grad is not None
    assert t.grad.tolist() == [2.0, 4.0]
    assert t._version == 0
    twins = copy.deepcopy([t, t])
    assert twins[0] is twins[1]


def test_deepcopy_of_a_result_is_refused() -> None:
    with pytest.raises(AutogradError, match=r"Mul.*detach"):
        copy.deepcopy(mg.zeros(1, requires_grad=True) * 2.0)


def test_pickle_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not pickled.*minigrad\.save"):
        pickle.dumps(mg.zeros(2))


# ------------------------------------------------------------------------------ conversions


def test_conversions_between_dtypes() -> None:
    t = mg.tensor([1.5, -2.5])
    assert t.double().dtype == F64
    assert t.float() is t
    assert t.long().tolist() == [1, -2]
    assert t.int().dtype == I32
    assert t.bool().tolist() == [True, True]
    assert t.to("float64").dtype == F64
    assert t.to(np.float64).dtype == F64
    assert t.to(dtype=mg.int64).dtype == I64
    assert t.to(mg.zeros(1, dtype=mg.float64)).dtype == F64
    assert t.type_as(mg.zeros(1, dtype=mg.float64)).dtype == F64
    assert t.to("cpu") is t
    assert t.to("cpu", mg.float64).dtype == F64
    assert t.to(Device("cpu")) is t
    assert t.cpu() is t


def test_conversion_is_differentiable() -> None:
    t = mg.tensor([1.5], requires_grad=True)
    (t.double() * 3.0).sum().backward()
    assert t.grad is not None
    assert t.grad.dtype == F32
    assert t.grad.tolist() == [3.0]
    assert not t.long().requires_grad


def test_absent_device() -> None:
    with pytest.raises(DeviceError, match="cuda"):
        mg.zeros(1).cuda()
    with pytest.raises(DeviceError, match="cuda"):
        mg.zeros(1).to("cuda:0")
    with pytest.raises(DeviceError, match="'tpu'"):
        Device("tpu")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (of(F32, 2), of(F64, 2), F64),
        (of(F32, 2), of(F64), F32),
        (of(F32, 2), 2, F32),
        (of(F32, 2), 2.5, F32),
        (of(F32, 2), np.float64(2.5), F32),
        (of(F32, 2), np.ones(2), F64),
        (of(F32, 2), np.ones(()), F32),
        (of(F64, 2), 2.5, F64),
        (of(I64, 2), 2, I64),
        (of(I64, 2), 2.5, F32),
        (of(I64, 2), of(F32, 2), F32),
        (of(I64, 2), of(F64, 2), F64),
        (of(I64, 2), of(F32), F32),
        (of(I32, 2), of(I64, 2), I64),
        (of(I32, 2), 2, I32),
        (of(I32, 2), True, I32),
        (of(BOOL, 2), 2, I64),
        (of(BOOL, 2), 2.5, F32),
        (of(BOOL, 2), of(I32, 2), I32),
        (of(BOOL, 2), of(F64, 2), F64),
    ],
)
def test_promotion(a: Tensor, b: Any, expected: np.dtype[Any]) -> None:
    """PyTorch's rules: axes before rank 0 before scalars, and kinds before widths."""
    assert (a * b).dtype == expected
    assert (b * a).dtype == expected
    assert (a + b).dtype == expected
    assert np.asarray((a * b).array).dtype == expected


def test_division_of_integers_is_floating() -> None:
    assert (of(I64, 2) / of(I64, 2)).dtype == F32
    assert (of(I64, 2) / 2).dtype == F32
    assert mg.exp(of(I64, 2)).dtype == F32


# ------------------------------------------------------------------------------ operators


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a**b,
        lambda a, b: a // b,
        lambda a, b: a % b,
    ],
)
def test_operators_agree_with_numpy(f: Callable[[Any, Any], Any], rng: np.random.Generator) -> None:
    """Tensors, arrays and numbers on either side."""
    a, b = rng.uniform(0.5, 3.0, (2, 3)), rng.uniform(0.5, 3.0, 3)
    for left, right in [(Tensor(a), Tensor(b)), (Tensor(a), b), (a, Tensor(b))]:
        result = f(left, right)
        assert type(result) is Tensor
        np.testing.assert_allclose(result.array, f(a, b), rtol=1e-15)
    np.testing.assert_allclose(f(Tensor(a), 2.0).array, f(a, 2.0), rtol=1e-15)
    np.testing.assert_allclose(f(2.0, Tensor(a)).array, f(2.0, a), rtol=1e-15)


def test_unary_operators_and_matmul(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    t = Tensor(a)
    assert +t is t
    np.testing.assert_array_equal((-t).array, -a)
    np.testing.assert_array_equal(abs(t).array, abs(a))
    np.testing.assert_allclose((t @ Tensor(b)).array, a @ b, rtol=1e-14)
    result: Any = a @ Tensor(b)
    assert type(result) is Tensor
    np.testing.assert_allclose(result.array, a @ b, rtol=1e-14)


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"\(2,\).*\(3,\)"):
        mg.zeros(2) + mg.zeros(3)
    with pytest.raises(ShapeError, match=r"\(2,\).*\(3,\)"):
        mg.zeros(2) * mg.zeros(3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.__iadd__(1.0), [2.0, 5.0]),
        (lambda t: t.__isub__(1.0), [0.0, 3.0]),
        (lambda t: t.__imul__(2.0), [2.0, 8.0]),
        (lambda t: t.__itruediv__(2.0), [0.5, 2.0]),
        (lambda t: t.__ipow__(2.0), [1.0, 16.0]),
        (lambda t: t.add_(mg.tensor([1.0, 2.0])), [2.0, 6.0]),
        (lambda t: t.sub_(1.0), [0.0, 3.0]),
        (lambda t: t.mul_(2.0), [2.0, 8.0]),
        (lambda t: t.div_(2.0), [0.5, 2.0]),
        (lambda t: t.clamp_(2.0, 3.0), [2.0, 3.0]),
        (lambda t: t.clamp_(max=3.0), [1.0, 3.0]),
        (lambda t: t.zero_(), [0.0, 0.0]),
        (lambda t: t.fill_(7), [7.0, 7.0]),
        (lambda t: t.add_(t, alpha=-0.5), [0.5, 2.0]),
        (lambda t: t.sub_(3, alpha=2), [-5.0, -2.0]),
        (lambda t: t.copy_(np.array([8, 9])), [8.0, 9.0]),
        (lambda t: t.copy_(mg.tensor(5.0)), [5.0, 5.0]),
    ],
)
def test_in_place(change: Callable[[Tensor], Tensor], expected: list[float]) -> None:
    """The same object and the same memory, one version later."""
    t = mg.tensor([1.0, 4.0])
    array = t.array
    assert change(t) is t
    assert t.array is array
    assert t.tolist() == expected
    assert t.dtype == F32
    assert t._version == 1


def test_in_place_keeps_shape_and_dtype() -> None:
    t = mg.tensor([1, 2])
    with pytest.raises(DTypeError, match="keep dtype int64, got float32"):
        t += 0.5
    with pytest.raises(ShapeError, match=r"keep shape \(2,\), got \(3, 2\)"):
        t += mg.zeros(3, 2, dtype=mg.int64)
    single = mg.zeros(2)
    with pytest.raises(DTypeError, match="keep dtype float32, got float64"):
        single += np.ones(2)
    assert t.tolist() == [1, 2]
    assert t._version == 0


def test_setitem() -> None:
    t = mg.zeros(2, 3)
    t[0, 1] = 5.0
    t[1] = mg.tensor([1.0, 2.0, 3.0])
    t[:, 0] = np.array([7.0, 8.0], dtype=F32)
    assert t.tolist() == [[7.0, 5.0, 0.0], [8.0, 2.0, 3.0]]
    t[t > 6.0] = 0.0
    assert t.tolist() == [[0.0, 5.0, 0.0], [0.0, 2.0, 3.0]]
    t[0, 0] = 1  # an integer is converted
    t[[0, 1], [2, 2]] = -1.0
    assert t.tolist() == [[1.0, 5.0, -1.0], [0.0, 2.0, -1.0]]
    with pytest.raises(IndexError):
        t[5] = 0.0
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)|\(2,\).*\(3,\)"):
        t[0] = mg.zeros(2)


def test_getitem_is_a_view_where_numpy_has_one() -> None:
    t = mg.zeros(3, 2)
    t[1].fill_(4.0)
    assert t.tolist() == [[0.0, 0.0], [4.0, 4.0], [0.0, 0.0]]
    t[[0, 1]].fill_(9.0)
    assert t.tolist()[0] == [0.0, 0.0]


# ------------------------------------------------------------------------------ NumPy's protocols


def test_asarray_shares_and_is_read_only_with_a_gradient() -> None:
    t = mg.zeros(2)
    assert np.asarray(t) is t.array
    t.requires_grad_()
    array = np.asarray(t)
    assert np.shares_memory(array, t.array)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0
    assert t.array.flags.writeable


def test_array_converts_and_copies() -> None:
    t = mg.zeros(2, requires_grad=True)
    assert np.asarray(t, dtype=F64).dtype == F64
    assert np.asarray(t, dtype=F64).flags.writeable
    assert not np.shares_memory(np.array(t), t.array)
    assert np.array(t).flags.writeable
    with pytest.raises(ValueError, match="copy"):
        np.array(t, dtype=F64, copy=False)


def test_numpy_functions_are_recorded() -> None:
    t = mg.tensor([1.0, 2.0], requires_grad=True)
    y: Any = np.sum(np.exp(t) * 2.0)
    assert isinstance(y, Tensor)
    y.backward()
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.array, 2.0 * np.exp(t.array))


def test_array_operators_are_recorded() -> None:
    t = mg.tensor(np.array([1.0, 2.0]), requires_grad=True)
    y: Any = np.array([3.0, 4.0]) * t
    assert type(y) is Tensor
    assert y.requires_grad
    scaled: Any = np.float64(2.0) * t
    assert type(scaled) is Tensor
    assert scaled.requires_grad


@pytest.mark.parametrize(
    ("f", "match"),
    [
        (lambda t: np.add(t, 1.0, out=np.zeros(2)), "out="),
        (lambda t: np.add(t, 1.0, where=np.array([True, False])), r"where=.*np\.where"),
        (lambda t: np.add(t, 1.0, dtype=F64), r"dtype=.*\.to"),
        (lambda t: np.add.reduce(t), r"add\.reduce.*np\.sum"),
        (lambda t: np.add.at(t, [0], 1.0), r"add\.at"),
        (lambda t: np.multiply.outer(t, t), r"multiply\.outer"),
        (lambda t: np.sum(t, out=np.zeros(())), "out="),
        (lambda t: np.sum(t, where=np.array([True, False])), "where="),
        (lambda t: np.gcd(t, t), r"gcd has no rule.*np\.asarray"),
        (lambda t: np.fft.fft(t), r"fft has no rule.*np\.asarray"),
        (lambda t: np.trapezoid(t), "trapezoid has no rule"),
    ],
)
def test_what_numpy_may_not_do(f: Callable[[Tensor], Any], match: str) -> None:
    """Never a silent array: there is a rule or an error with the remedy."""
    with pytest.raises(DTypeError, match=match):
        f(mg.tensor([1.0, 2.0]))


def test_array_is_not_changed_in_place_by_a_tensor() -> None:
    array = np.zeros(2)
    with pytest.raises(DTypeError, match="out="):
        array += mg.ones(2, dtype=mg.float64)
    assert array.tolist() == [0.0, 0.0]


def test_functions_without_gradient_return_plain_arrays() -> None:
    t = mg.tensor([1.0, 3.0, 2.0])
    assert np.argmax(t) == 1
    assert type(np.isnan(t)) is np.ndarray
    assert np.allclose(t, t.array)
    assert np.shape(t) == (3,)
    assert np.array_equal(t, t.array)


def test_dlpack_exports_without_a_gradient() -> None:
    t = mg.tensor([1.0, 2.0, 3.0])
    shared = np.from_dlpack(t)
    assert np.shares_memory(shared, t.array)
    reverse = Tensor(t.array[::-1])
    assert np.from_dlpack(reverse).tolist() == [3.0, 2.0, 1.0]
    with pytest.raises(AutogradError, match="detach"):
        np.from_dlpack(t.requires_grad_())


# ------------------------------------------------------------------------------ methods


def test_every_method_finds_its_function() -> None:
    """Methods call functions by name: each name that they use is registered."""
    import inspect
    import re

    from minigrad import common_methods, conversions, matrix_methods, methods, operators
    from minigrad.registry import FUNCTIONS

    modules = (common_methods, conversions, matrix_methods, methods, operators)
    source = "".join(inspect.getsource(module) for module in modules)
    used = set(re.findall(r'FUNCTIONS\["(\w+)"\]', source))
    used |= set(re.findall(r'_in_place\("(\w+)"', source))
    assert used - set(FUNCTIONS) == set()


@pytest.mark.parametrize(
    ("method", "reference"),
    [
        (lambda t: t.sum(0), lambda a: a.sum(0)),
        (lambda t: t.sum((0, 1), keepdim=True), lambda a: a.sum(keepdims=True)),
        (lambda t: t.mean(-1), lambda a: a.mean(-1)),
        (lambda t: t.var(1), lambda a: a.var(1, ddof=1)),
        (lambda t: t.var(correction=0), lambda a: a.var()),
        (lambda t: t.std(0), lambda a: a.std(0, ddof=1)),
        (lambda t: t.amax(0), lambda a: a.max(0)),
        (lambda t: t.amin((0, 1)), lambda a: a.min()),
        (lambda t: t.max(), lambda a: a.max()),
        (lambda t: t.max(1).values, lambda a: a.max(1)),
        (lambda t: t.max(1).indices, lambda a: a.argmax(1)),
        (lambda t: t.min(0)[0], lambda a: a.min(0)),
        (lambda t: t.argmax(), lambda a: a.argmax()),
        (lambda t: t.argmin(1), lambda a: a.argmin(1)),
        (lambda t: (t > 0).any(1), lambda a: (a > 0).any(1)),
        (lambda t: (t > 0).all(), lambda a: (a > 0).all()),
        (lambda t: t.reshape(3, 2), lambda a: a.reshape(3, 2)),
        (lambda t: t.reshape((-1,)), lambda a: a.reshape(-1)),
        (lambda t: t.view(6), lambda a: a.reshape(6)),
        (lambda t: t.flatten(), lambda a: a.reshape(6)),
        (lambda t: t.transpose(0, 1), lambda a: a.T),
        (lambda t: t.permute(1, 0), lambda a: a.T),
        (lambda t: t.T, lambda a: a.T),
        (lambda t: t.mT, lambda a: a.T),
        (lambda t: t.unsqueeze(1), lambda a: a[:, None]),
        (lambda t: t.unsqueeze(1).squeeze(), lambda a: a),
        (lambda t: t.unsqueeze(0).expand(4, -1, -1), lambda a: np.broadcast_to(a, (4, 2, 3))),
        (lambda t: t.gather(1, mg.tensor([[2], [0]])), lambda a: a[[[0], [1]], [[2], [0]]]),
        (lambda t: t.masked_fill(t > 0, 9.0), lambda a: np.where(a > 0, 9.0, a)),
        (lambda t: t.where(t > 0, t * 2), lambda a: np.where(a > 0, a, a * 2)),
        (lambda t: t.clamp(-0.5, 0.5), lambda a: a.clip(-0.5, 0.5)),
        (lambda t: t.clip(min=0), lambda a: np.maximum(a, 0)),
        (lambda t: t.matmul(t.T), lambda a: a @ a.T),
        (lambda t: t[0].dot(t[1]), lambda a: a[0] @ a[1]),
        (lambda t: t.softmax(1), lambda a: np.exp(a) / np.exp(a).sum(1, keepdims=True)),
        (lambda t: t.relu(), lambda a: np.maximum(a, 0)),
        (lambda t: t.max(t * 2), lambda a: np.maximum(a, a * 2)),
        (lambda t: t.add(t[0], alpha=3), lambda a: a + 3 * a[0]),
        (lambda t: t.sub(2, alpha=0.5), lambda a: a - 1.0),
        (lambda t: t.add(0.1, alpha=0.1), lambda a: a + 0.1 * 0.1),  # not rounded to float32
        (lambda t: mg.min(t, t * 2), lambda a: np.minimum(a, a * 2)),
        (lambda t: t.sum(0, dtype=mg.float64), lambda a: a.sum(0)),
        (lambda t: t.float().mean(dtype=mg.float64), lambda a: np.float64(np.float32(a)).mean()),
        (lambda t: t.eq(t), lambda a: a == a),
        (lambda t: t.ne(0), lambda a: a != 0),
        (lambda t: t.lt(0), lambda a: a < 0),
        (lambda t: t.le(0), lambda a: a <= 0),
        (lambda t: t.gt(0), lambda a: a > 0),
        (lambda t: t.ge(0), lambda a: a >= 0),
        (lambda t: (t * math.inf).isinf(), lambda a: a == a),
        (lambda t: t.view_as(mg.zeros(3, 2)), lambda a: a.reshape(3, 2)),
        (lambda t: t[:1].expand_as(t), lambda a: np.broadcast_to(a[:1], a.shape)),
        (lambda t: t.t(), lambda a: a.T),
        (lambda t: t[0].t(), lambda a: a[0]),
        (lambda t: t.flip(0, 1), lambda a: a[::-1, ::-1]),
        (lambda t: t.split(2, 1)[1], lambda a: a[:, 2:]),
        (lambda t: t.chunk(2)[1], lambda a: a[1:]),
        (lambda t: t.unbind(1)[2], lambda a: a[:, 2]),
        (lambda t: t.index_select(1, [2, 0]), lambda a: a[:, [2, 0]]),
        (lambda t: t.clone(), lambda a: a),
        (lambda t: t.T.contiguous(), lambda a: a.T),
    ],
)
def test_method_agrees_with_numpy(
    method: Callable[[Tensor], Any], reference: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    a = rng.normal(size=(2, 3))
    result = method(Tensor(a))
    assert type(result) is Tensor
    expected = np.asarray(reference(a))
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.array, expected, rtol=1e-14)


def test_t_is_for_matrices() -> None:
    with pytest.raises(ShapeError, match=r"t: expected a matrix, got shape \(2, 3, 4\)"):
        mg.zeros(2, 3, 4).t()


def test_a_boolean_is_no_axis() -> None:
    """``x.var(False)`` is unbiased=False in PyTorch: it must not become axis 0."""
    with pytest.raises(DTypeError, match=r"var: dim must be an integer .* got bool"):
        mg.ones(2, 3).var(False)


def test_numpy_imports_what_is_exported() -> None:
    x = mg.arange(3.0)
    array = np.from_dlpack(x)
    assert array.tolist() == [0.0, 1.0, 2.0]
    assert np.shares_memory(array, x.array)
    assert x.__dlpack_device__() == (1, 0)  # CPU


def test_device_as_text_and_key() -> None:
    assert str(Device("cpu")) == "cpu"
    devices: dict[Any, int] = {Device("cpu"): 1}
    assert devices["cpu"] == 1  # a text equals its device


def test_reflected_operators_on_what_is_no_array() -> None:
    matrix = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert ([[0.0, 1.0]] @ matrix).tolist() == [[3.0, 4.0]]
    bits = mg.tensor([4, 6, 3])
    assert (6 & bits).tolist() == [4, 6, 2]
    assert (1 | bits).tolist() == [5, 7, 3]
    assert (5 ^ bits).tolist() == [1, 3, 6]


def test_mode_that_a_block_has_used_decorates_without_switching() -> None:
    mode = mg.set_grad_enabled(False)
    with mode:
        pass
    within = mode(mg.is_grad_enabled)
    assert mg.is_grad_enabled()
    assert not within()
    assert mg.is_grad_enabled()
