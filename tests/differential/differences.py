"""What is known to differ from PyTorch, and why: the one table.

The tests read it: what is listed must really differ, everything else must agree. The page
``docs/differences.md`` is written from it: ``python -m tests.differential.differences``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.typing import Array

__all__ = ["DIFFERENCES", "PAGE", "SIGNATURES", "WITHOUT_COUNTERPART", "Difference", "Special"]

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"


class Special(NamedTuple):
    """Special operands of an elementwise function on which the libraries differ.

    Attributes
    ----------
    what : "value" or "gradient"
    where : callable
        ``where(*operands)`` returns a mask: where they may differ, and somewhere do.
    """

    what: Literal["value", "gradient"]
    where: Callable[..., Any]


@dataclass(frozen=True)
class Difference:
    """One known difference.

    Attributes
    ----------
    names : tuple of str
        The functions, methods or layers.
    minigrad, pytorch, reason : str
        What each does, and why minigrad does it.
    special : Special, optional
        For elementwise functions: the operands concerned.
    example : callable, optional
        ``example(torch)`` returns two functions, whose outcomes (values or errors) must differ.
    """

    names: tuple[str, ...]
    minigrad: str
    pytorch: str
    reason: str
    special: Special | None = None
    example: Callable[[Any], tuple[Callable[[], Any], Callable[[], Any]]] | None = None


def _huge(x: Array) -> Any:
    return np.abs(x) > np.sqrt(np.finfo(x.dtype).max) / 2


def _tiny(x: Array) -> Any:
    return np.abs(x) < np.sqrt(np.finfo(x.dtype).tiny) * 2


def _subnormal(x: Array) -> Any:
    return (x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)


def _extreme(*operands: Array) -> Any:
    """Where an operand has a square that overflows or underflows, or is not finite."""
    mask: Any = False
    for x in operands:
        mask = mask | _huge(x) | _tiny(x) | ~np.isfinite(x)
    return mask


def _gradient(library: Any, function: Callable[..., Any], *values: Any) -> Any:
    """Return the gradients of a sum with respect to floating values."""
    leaves = [library.tensor(value, requires_grad=True) for value in values]
    function(*leaves).sum().backward()
    return [None if leaf.grad is None else leaf.grad.tolist() for leaf in leaves]


ALL_INTEGERS = [1, 2, 3]

SPECIAL_VALUES = (
    Difference(
        ("sign",),
        "sign(NaN) is NaN",
        "sign(NaN) is 0",
        "NumPy's; a NaN is not lost on the way",
        Special("value", np.isnan),
    ),
    Difference(
        ("abs", "absolute"),
        "the gradient at NaN is NaN",
        "the gradient at NaN is 0",
        "as sign",
        Special("gradient", np.isnan),
    ),
    Difference(
        ("elu",),
        "the gradient at NaN is NaN",
        "the gradient at NaN is the upstream gradient",
        "the derivative of the branch that computes the value; a NaN is not lost on the way",
        Special("gradient", np.isnan),
    ),
    Difference(
        ("relu", "elu"),
        "f(-0.0) is 0.0",
        "f(-0.0) is -0.0",
        "the sign of a zero comes from NumPy's maximum",
        Special("value", lambda x: (x == 0) & np.signbit(x)),
    ),
    Difference(
        ("acosh", "arccosh"),
        "outside the domain, at -1, the gradient is minus infinity times dy",
        "it is plus infinity times dy",
        "(x - 1) (x + 1) is -0.0 there; near 1 it keeps the digits that x^2 - 1 loses",
        Special("gradient", lambda x: x == -1),
    ),
    Difference(
        ("log1p",),
        "log1p(x) is x for subnormal x",
        "log1p(x) is 0 for subnormal x",
        "nothing is flushed to zero",
        Special("value", _subnormal),
    ),
    Difference(
        ("gelu",),
        "in float32, gelu(inf) is inf, and gelu(-3) has an error of 1e-6",
        "in float32, gelu(inf) is NaN, the largest number gives inf, and gelu(-3) has one of 1e-4",
        "x (1 + erf) / 2 with an erf accurate to float32; PyTorch approximates it on the CPU",
        Special("value", lambda x: (x > 1e30) | (x == -3)),
    ),
    Difference(
        ("div", "divide", "true_divide"),
        "the gradient of 0 / b with respect to b is NaN for subnormal b",
        "the gradient is 0",
        "the rule reuses dy / b, which overflows there; one pass less everywhere else",
        Special("gradient", lambda a, b: (a == 0) & _subnormal(b)),
    ),
    Difference(
        ("fmod",),
        "exact for every quotient",
        "NaN where the quotient overflows",
        "C's fmod, as NumPy",
        Special("value", lambda a, b: _huge(a) | _tiny(b)),
    ),
    Difference(
        ("fmod",),
        "the gradient with respect to b is that of the exact quotient, NaN where there is none",
        "the quotient is rounded to the dtype before it is truncated",
        "exact where the quotient lies next to a whole number",
        Special("gradient", lambda a, b: _extreme(a, b) | (np.abs(a / b) > 1e5)),
    ),
    Difference(
        ("remainder",),
        "a remainder of 0 has the sign of b; exact for every quotient",
        "a remainder of 0 has the sign of a; rounded where the quotient is large",
        "Python's %, as NumPy",
        Special("value", lambda a, b: _extreme(a, b) | (np.remainder(a, b) == 0)
                | (np.abs(a / b) > 1e5)),
    ),
    Difference(
        ("arctan2", "atan2"),
        "the gradient is right where the squares of the operands overflow or underflow",
        "0 or NaN there",
        "divided by hypot(a, b) twice, not by a^2 + b^2",
        Special("gradient", _extreme),
    ),
    Difference(
        ("hypot",),
        "the gradient is right where the operand times dy overflows or underflows",
        "infinity, 0 or NaN there",
        "a / y is computed before it is multiplied by dy",
        Special("gradient", _extreme),
    ),
    Difference(
        ("fmax", "fmin"),
        "equal operands, and two NaNs, share the gradient evenly",
        "all of it goes to the first of equal operands, and of two NaNs",
        "as maximum and minimum do in both libraries: no operand is preferred",
        Special("gradient", lambda a, b: (a == b) | (np.isnan(a) & np.isnan(b))),
    ),
    Difference(
        ("fmax", "fmin"),
        "of 0.0 and -0.0, the second",
        "of 0.0 and -0.0, the first",
        "equal numbers; NumPy's choice",
        Special("value", lambda a, b: (a == 0) & (b == 0)),
    ),
    Difference(
        ("heaviside",),
        "heaviside(NaN, v) is NaN",
        "heaviside(NaN, v) is 0",
        "NumPy's; a NaN is not lost on the way",
        Special("value", lambda x, values: np.isnan(x)),
    ),
    Difference(
        ("logit",),
        "outside the domain the gradient is that of log(x / (1 - x))",
        "it is NaN, and at -0.0 plus infinity times dy",
        "as log, whose gradient is 1 / x everywhere in both libraries",
        Special("gradient", lambda x: (x < 0) | (x > 1) | ((x == 0) & np.signbit(x))),
    ),
    Difference(
        ("sinc",),
        "at whole numbers 4e-17 or less, and finite for every finite x",
        "in float32 up to 4e-8, and NaN where pi x overflows",
        "the sine is taken in float64",
        Special("value", lambda x: (np.abs(x) >= 1) & (x == np.round(x))),
    ),
    Difference(
        ("sinc",),
        "the gradient near 0 is -pi^2 x / 3; it is finite for every finite x",
        "it is rounded to 0 near 0, and NaN where pi x overflows",
        "(cos(pi x) - sinc(x)) / x cancels near 0: a series there",
        Special("gradient", lambda x: (np.abs(x) < 1e-3) | _huge(x)),
    ),
    Difference(
        ("copysign",),
        "the gradient at infinity is dy with the sign of the result",
        "it is NaN",
        "not computed as result / operand",
        Special("gradient", lambda a, b: np.isinf(a)),
    ),
    Difference(
        ("xlogy",),
        "xlogy(-0.0, y) is -0.0",
        "it is 0.0",
        "equal numbers",
        Special("value", lambda a, b: (a == 0) & np.signbit(a)),
    ),
    Difference(
        ("xlogy",),
        "the gradient with respect to y is 0 where x is 0, and right where x dy overflows",
        "it is NaN at y = 0, and infinite or NaN where x dy overflows",
        "0 log y is 0 for every y; x / y is computed before it is multiplied by dy",
        Special("gradient", lambda a, b: _extreme(a, b)),
    ),
)  # fmt: skip

DTYPES = (
    Difference(
        ("relu",),
        "integers become float32, as in every other activation",
        "integers stay integers",
        "one rule for all activations",
        example=lambda torch: (
            lambda: str(mg.relu(mg.tensor(ALL_INTEGERS)).dtype),
            lambda: str(torch.relu(torch.tensor(ALL_INTEGERS)).dtype).removeprefix("torch."),
        ),
    ),
    Difference(
        (
            "leaky_relu",
            "elu",
            "silu",
            "gelu",
            "softplus",
            "hypot",
            "logaddexp",
            "logcumsumexp",
            "lerp",
            "addcdiv",
        ),
        "integers become float32",
        "integers are refused",
        "the rule of exp, sigmoid and the like in both libraries",
        example=lambda torch: (
            lambda: mg.silu(mg.tensor([0, 0])),
            lambda: torch.nn.functional.silu(torch.tensor([0, 0])),
        ),
    ),
    Difference(
        ("heaviside",),
        "integers become float32",
        "integers stay integers",
        "NumPy's",
        example=lambda torch: (
            lambda: str(mg.heaviside(*[mg.tensor(ALL_INTEGERS)] * 2).dtype),
            lambda: str(torch.heaviside(*[torch.tensor(ALL_INTEGERS)] * 2).dtype)[6:],
        ),
    ),
    Difference(
        ("floor_divide", "remainder", "fmod"),
        "integers divided by 0 give 0, with NumPy's RuntimeWarning",
        "an error",
        "NumPy's: numpy.errstate decides",
        example=lambda torch: (
            lambda: _quietly(lambda: mg.tensor([1]) // mg.tensor([0])),
            lambda: torch.tensor([1]) // torch.tensor([0]),
        ),
    ),
    Difference(
        ("pow",),
        "integers to negative powers are an error",
        "they are rounded towards 0",
        "the result is no integer, and nothing is cast down silently",
        example=lambda torch: (
            lambda: mg.tensor([2]) ** mg.tensor([-1]),
            lambda: torch.tensor([2]) ** torch.tensor([-1]),
        ),
    ),
    Difference(
        (
            "abs",
            "absolute",
            "ceil",
            "floor",
            "round",
            "trunc",
            "positive",
            "remainder",
            "pow",
            "topk",
            "median",
            "trace",
            "addcmul",
        ),
        "booleans are taken",
        "booleans are refused",
        "NumPy's",
        example=lambda torch: (
            lambda: mg.tensor([True]).abs().tolist(),
            lambda: torch.tensor([True]).abs().tolist(),
        ),
    ),
    Difference(
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        "running statistics are float64",
        "running statistics have the dtype of the weight",
        "a thousand small updates lose nothing",
        example=lambda torch: (
            lambda: str(nn.BatchNorm1d(2).running_mean.dtype),  # type: ignore[union-attr]
            lambda: str(torch.nn.BatchNorm1d(2).running_mean.dtype).removeprefix("torch."),
        ),
    ),
    Difference(
        ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        "an evaluation by statistics that no batch has entered warns, once",
        "no warning",
        "a state_dict that was never loaded is found",
        example=lambda torch: (
            lambda: _warnings(lambda: nn.BatchNorm1d(2).eval()(mg.zeros(3, 2))),
            lambda: _warnings(lambda: torch.nn.BatchNorm1d(2).eval()(torch.zeros(3, 2))),
        ),
    ),
    Difference(
        ("take", "index_select"),
        "indices of any integer dtype and any shape; take counts negative ones from the end",
        "int64 for take, one axis for index_select",
        "NumPy's take",
        example=lambda torch: (
            lambda: mg.index_select(mg.tensor([1.0, 2.0]), 0, mg.tensor([[0, 1]])).tolist(),
            lambda: torch.index_select(
                torch.tensor([1.0, 2.0]), 0, torch.tensor([[0, 1]])
            ).tolist(),
        ),
    ),
)

GRADIENTS = (
    Difference(
        ("floor_divide",),
        "the gradient is 0",
        "there is no gradient: an error",
        "as floor, whose gradient is 0 in both libraries",
        example=lambda torch: (
            lambda: _gradient(mg, mg.floor_divide, [5.0], [2.0]),
            lambda: _gradient(torch, torch.floor_divide, [5.0], [2.0]),
        ),
    ),
    Difference(
        ("remainder",),
        "a number % a Tensor has a gradient",
        "a number % a Tensor has none: an error",
        "the same function as of two Tensors",
        example=lambda torch: (
            lambda: _gradient(mg, lambda x: 5.0 % x, [2.0]),
            lambda: _gradient(torch, lambda x: 5.0 % x, [2.0]),
        ),
    ),
    Difference(
        ("binary_cross_entropy_with_logits", "cross_entropy", "nll_loss"),
        "the weight of the classes or elements may require a gradient",
        "it may not: an error",
        "written with primitive ops, whose rules cover it",
        example=lambda torch: (
            lambda: _gradient(
                mg,
                lambda x, w: F.binary_cross_entropy_with_logits(x, x.detach() * 0, w),
                [0.0],
                [1.0],
            ),
            lambda: _gradient(
                torch,
                lambda x, w: torch.nn.functional.binary_cross_entropy_with_logits(
                    x, x.detach() * 0, w
                ),
                [0.0],
                [1.0],
            ),
        ),
    ),
    Difference(
        ("heaviside",),
        "the values chosen at 0 have a gradient, x has none",
        "there is no gradient: an error",
        "as where, which says the same",
        example=lambda torch: (
            lambda: _gradient(mg, lambda v: mg.heaviside(v.detach() * 0, v), [5.0]),
            lambda: _gradient(torch, lambda v: torch.heaviside(v.detach() * 0, v), [5.0]),
        ),
    ),
    Difference(
        ("logsumexp", "logcumsumexp"),
        "elements that are all minus infinity get a gradient of 0",
        "they get NaN",
        "a row that is masked out altogether does not spoil the others",
        example=lambda torch: (
            lambda: _gradient(mg, lambda x: mg.logsumexp(x, 0), [-np.inf, -np.inf]),
            lambda: _gradient(torch, lambda x: torch.logsumexp(x, 0), [-np.inf, -np.inf]),
        ),
    ),
    Difference(
        ("prod", "cumprod"),
        "the gradient is the product of the other elements, also beside a NaN",
        "NaN, or 0 behind a 0, by the place of the NaN",
        "nothing is divided by an element",
        example=lambda torch: (
            lambda: _gradient(mg, mg.prod, [np.nan, 2.0, 3.0])[0][0],
            lambda: _gradient(torch, torch.prod, [np.nan, 2.0, 3.0])[0][0],
        ),
    ),
    Difference(
        ("nanmean",),
        "elements that are all NaN get a gradient of 0",
        "they get NaN",
        "none of them was counted",
        example=lambda torch: (
            lambda: _gradient(mg, mg.nanmean, [np.nan]),
            lambda: _gradient(torch, torch.nanmean, [np.nan]),
        ),
    ),
    Difference(
        ("logit",),
        "with eps, the gradient at NaN is 0",
        "it is NaN",
        "NaN is not between the limits: what clamp says in both libraries",
        example=lambda torch: (
            lambda: _gradient(mg, lambda x: mg.logit(x, 0.1), [np.nan]),
            lambda: _gradient(torch, lambda x: torch.logit(x, 0.1), [np.nan]),
        ),
    ),
    Difference(
        ("scatter", "index_copy"),
        "of several values for one place, the last stays, and it alone has a gradient",
        "any may stay, and all of them have a gradient",
        "the derivative of what was computed",
        example=lambda torch: (lambda: _overwritten(mg), lambda: _overwritten(torch)),
    ),
    Difference(
        ("linalg.det", "det"),
        "the gradient at a singular matrix is that of the cofactors",
        "it may be 0",
        "a determinant is a polynomial: its gradient exists everywhere",
        example=lambda torch: (
            lambda: _gradient(mg, mg.linalg.det, [[0.0, 0.0], [0.0, 1.0]]),
            lambda: _gradient(torch, torch.linalg.det, [[0.0, 0.0], [0.0, 1.0]]),
        ),
    ),
    Difference(
        ("linalg.slogdet", "slogdet", "logdet"),
        "the gradient at a singular matrix is an error",
        "infinities of either sign",
        "the logarithm is minus infinity there",
        example=lambda torch: (
            lambda: _gradient(mg, lambda a: mg.slogdet(a)[1], [[1.0, 2.0], [2.0, 4.0]]),
            lambda: _gradient(torch, lambda a: torch.slogdet(a)[1], [[1.0, 2.0], [2.0, 4.0]]),
        ),
    ),
    Difference(
        ("Tensor in-place methods", "Tensor.__setitem__"),
        "a recorded change of a view, or of a Tensor with living views, is refused",
        "the history of the base is rewritten",
        "the graph stays a list of ops; base[index] = value says the same",
        example=lambda torch: (
            lambda: _change_view(mg),
            lambda: _change_view(torch),
        ),
    ),
)

SHAPES = (
    Difference(
        ("sum", "mean", "var", "std", "amax", "amin", "all", "any", "count_nonzero"),
        "dim=() reduces nothing",
        "dim=() reduces all axes (of most functions)",
        "NumPy's; dim=None is all",
        example=lambda torch: (
            lambda: mg.sum(mg.tensor([1.0, 2.0]), ()).tolist(),
            lambda: torch.sum(torch.tensor([1.0, 2.0]), ()).tolist(),
        ),
    ),
    Difference(
        (
            "gather",
            "index_select",
            "scatter",
            "scatter_add",
            "index_add",
            "index_copy",
            "index_fill",
            "linalg.norm",
        ),
        "a Tensor of rank 0 has no axes: dim=0 is an error",
        "dim=0 and dim=-1 count as axes of a Tensor of rank 0",
        "there is nothing to index; reductions, sort, softmax and the like do take them",
        example=lambda torch: (
            lambda: mg.index_select(mg.tensor(1.0), 0, mg.tensor([0])).tolist(),
            lambda: torch.index_select(torch.tensor(1.0), 0, torch.tensor([0])).tolist(),
        ),
    ),
    Difference(
        ("topk",),
        "of equal elements the first are chosen",
        "any of them",
        "the same indices on every machine",
        example=lambda torch: (
            lambda: mg.topk(mg.tensor([3.0, 1.0, 3.0, 3.0, 1.0, 1.0]), 2).indices.tolist(),
            lambda: torch.topk(torch.tensor([3.0, 1.0, 3.0, 3.0, 1.0, 1.0]), 2).indices.tolist(),
        ),
    ),
    Difference(
        ("pad",),
        "every mode pads any number of axes",
        "but for constant, the last one to three axes of Tensors with one or two more",
        "the modes do the same along each axis",
        example=lambda torch: (
            lambda: mg.pad(mg.tensor([1.0, 2.0]), (1, 0), "reflect").tolist(),
            lambda: torch.nn.functional.pad(torch.tensor([1.0, 2.0]), (1, 0), "reflect").tolist(),
        ),
    ),
    Difference(
        ("clamp", "clip"),
        "bounds may be one number and one Tensor; all three shapes broadcast",
        "both numbers or both Tensors; x does not broadcast to them",
        "the rule of every elementwise function",
        example=lambda torch: (
            lambda: mg.clamp(mg.tensor([1.0, 5.0]), mg.tensor([2.0, 2.0]), 3.0).tolist(),
            lambda: torch.clamp(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0]), 3.0).tolist(),
        ),
    ),
    Difference(
        ("mse_loss", "l1_loss", "huber_loss"),
        "predictions and targets have one shape",
        "they broadcast, with a warning",
        "(N, 1) with (N,) gives N x N losses, which is a mistake more often than meant",
        example=lambda torch: (
            lambda: mg.mse_loss(mg.ones(2, 1), mg.ones(2)).item(),
            lambda: _quietly(
                lambda: torch.nn.functional.mse_loss(torch.ones(2, 1), torch.ones(2))
            ).item(),
        ),
    ),
    Difference(
        ("cat", "concatenate"),
        "all parts have the same number of axes",
        "parts of shape (0,) are dropped",
        "a rule that PyTorch keeps for old code alone",
        example=lambda torch: (
            lambda: mg.cat((mg.ones(1, 2), mg.zeros(0))).tolist(),
            lambda: torch.cat((torch.ones(1, 2), torch.zeros(0))).tolist(),
        ),
    ),
    Difference(
        ("softmax", "log_softmax", "Softmax", "LogSoftmax"),
        "dim must be given",
        "without dim, 0 or 1 by the number of axes, with a warning",
        "PyTorch itself advises against it",
        example=lambda torch: (
            lambda: F.softmax(mg.ones(2)).tolist(),
            lambda: _quietly(lambda: torch.nn.functional.softmax(torch.ones(2))).tolist(),
        ),
    ),
    Difference(
        ("flip", "expand", "broadcast_to"),
        "views; that of expand is read-only",
        "flip copies; a change in place of an expanded Tensor is an error only if it overlaps",
        "NumPy has negative strides, and knows read-only memory",
        example=lambda torch: (
            lambda: _flipped_shares_memory(mg),
            lambda: _flipped_shares_memory(torch),
        ),
    ),
    Difference(
        ("batch_norm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        "momentum lies between 0 and 1",
        "any momentum",
        "outside, running statistics diverge or turn negative",
        example=lambda torch: (
            lambda: nn.BatchNorm1d(1, momentum=2.0).momentum,
            lambda: torch.nn.BatchNorm1d(1, momentum=2.0).momentum,
        ),
    ),
)

OTHERS = (
    Difference(
        ("manual_seed", "rand", "randn", "randint", "randperm", "dropout", "nn.init"),
        "NumPy's streams",
        "PyTorch's streams",
        "the same distributions; the numbers of a seed belong to the generator",
        example=lambda torch: (
            lambda: [mg.manual_seed(0), mg.rand(1).item()][1],
            lambda: [torch.manual_seed(0), torch.rand(1).item()][1],
        ),
    ),
    Difference(
        ("save", "load", "Tensor"),
        ".npz archives; a Tensor is not pickled",
        "pickles",
        "a pickle can run code when it is loaded",
        example=lambda torch: (lambda: _pickled(mg), lambda: _pickled(torch)),
    ),
    Difference(
        ("float32", "float64", "int64", "Tensor.dtype"),
        "NumPy's dtypes",
        "PyTorch's own",
        "a Tensor is a NumPy array",
        example=lambda torch: (lambda: mg.float32, lambda: torch.float32),
    ),
)

NORMS = (
    Difference(
        ("group_norm", "GroupNorm"),
        "a group of one value gives the bias, whatever the number of samples",
        "an error if there is one sample",
        "the result for a sample does not depend on how many others there are",
        example=lambda torch: (
            lambda: F.group_norm(mg.ones(1, 2), 2).tolist(),
            lambda: torch.nn.functional.group_norm(torch.ones(1, 2), 2).tolist(),
        ),
    ),
    Difference(
        ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        "running statistics are float64; num_batches_tracked counts the batches, and momentum=None "
        "averages them",
        "they have the dtype of the weight; num_batches_tracked stays 0, and momentum=None leaves "
        "them as they start",
        "as in BatchNorm",
        example=lambda torch: (lambda: _instances_tracked(mg), lambda: _instances_tracked(torch)),
    ),
    Difference(
        ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
        "another number of channels than num_features is an error",
        "only a warning without affine",
        "a wrong shape is found where it arises",
        example=lambda torch: (
            lambda: nn.InstanceNorm1d(3)(mg.ones(1, 2, 2)).tolist(),
            lambda: _quietly(lambda: torch.nn.InstanceNorm1d(3)(torch.ones(1, 2, 2)).tolist()),
        ),
    ),
)


def _instances_tracked(library: Any) -> Any:
    layer = library.nn.InstanceNorm1d(1, momentum=None, track_running_stats=True)
    layer(library.tensor([[[1.0, 3.0]]]))
    return layer.num_batches_tracked.item(), layer.running_mean.tolist()


def _quietly(function: Callable[[], Any]) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


def _change_view(library: Any) -> Any:
    x = library.ones(2, requires_grad=True) * 2
    view = x[0:1]
    view.mul_(3)
    return view.tolist()


def _overwritten(library: Any) -> Any:
    index = library.tensor([0, 0])
    return _gradient(library, lambda x, s: library.scatter(x, 0, index, s), [1.0, 2.0], [3.0, 4.0])


def _flipped_shares_memory(library: Any) -> bool:
    x = library.ones(3)
    return bool(np.shares_memory(np.asarray(x), np.asarray(library.flip(x, (0,)))))


def _warnings(function: Callable[[], Any]) -> int:
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return len(caught)


def _pickled(library: Any) -> int:
    import pickle

    return len(pickle.dumps(library.ones(1)))


DIFFERENCES = (*SPECIAL_VALUES, *DTYPES, *GRADIENTS, *SHAPES, *OTHERS, *NORMS)

WITHOUT_COUNTERPART = {
    "linalg.inverse_sqrt": "minigrad's own",
    "minigrad.apply": "runs an Op: PyTorch has it as a method of autograd.Function",
    "minigrad.batch_norm_eval": "the op behind functional.batch_norm, which is compared",
    "minigrad.batch_norm_train": "the op behind functional.batch_norm, which is compared",
    "minigrad.cbrt": "NumPy's name",
    "minigrad.graph_of": "minigrad's own",
    "minigrad.info": "minigrad's own",
    "minigrad.is_recomputing": "minigrad's own",
    "minigrad.warmup": "minigrad's own",
    "Tensor.array": "the NumPy array",
    "Tensor.counter": "the version of the memory",
    "Tensor.node": "the recorded op; grad_fn is PyTorch's name",
    "Tensor.zero_grad": "PyTorch has it on modules and optimisers",
}
"""Public names of minigrad that PyTorch lacks or means otherwise."""

NOT_COMPARED = {
    "minigrad.backward": "every comparison of gradients calls it",
    "minigrad.empty": "arbitrary values",
    "minigrad.empty_like": "arbitrary values",
    "minigrad.get_num_threads": "a setting",
    "minigrad.grad": "tested with the engine",
    "minigrad.is_anomaly_enabled": "a setting",
    "minigrad.is_grad_enabled": "a setting",
    "minigrad.load": "files differ",
    "minigrad.manual_seed": "random streams differ",
    "minigrad.rand": "random streams differ",
    "minigrad.rand_like": "random streams differ",
    "minigrad.randint": "random streams differ",
    "minigrad.randn": "random streams differ",
    "minigrad.randn_like": "random streams differ",
    "minigrad.randperm": "random streams differ",
    "minigrad.save": "files differ",
    "minigrad.set_num_threads": "a setting",
    "Tensor.backward": "every comparison of gradients calls it",
    "Tensor.cuda": "needs a GPU",
    "Tensor.device": "another type",
    "Tensor.grad": "every comparison of gradients reads it",
    "Tensor.grad_fn": "another type",
    "Tensor.retain_grad": "tested with the engine",
}
"""Public names that PyTorch has too, whose results say nothing or cannot be equal."""

SIGNATURES = {
    "minigrad.add": "no alpha: a + 2 * b; the method has it",
    "minigrad.as_tensor": "dtype may be positional; no device: there is the CPU alone",
    "minigrad.cross": "dim is -1, not the first axis of length 3",
    "Tensor.cross": "dim is -1, not the first axis of length 3",
    "linalg.cross": "dim may be positional, as in minigrad.cross",
    "minigrad.concatenate": "axis is called dim, as in cat",
    "minigrad.div": "no rounding_mode: floor_divide and trunc",
    "minigrad.divide": "no rounding_mode: floor_divide and trunc",
    "minigrad.meshgrid": "indexing is 'ij' where PyTorch warns and takes it",
    "minigrad.searchsorted": "no out_int32, no sorter: take_along_dim(sorted_sequence, sorter)",
    "minigrad.sub": "no alpha: a - 2 * b; the method has it",
    "minigrad.subtract": "no alpha: a - 2 * b; the method has it",
    "minigrad.tensor": "dtype, device and requires_grad may be positional",
    "Tensor.scatter_": "no reduce: scatter_add_",
    "Tensor.div": "no rounding_mode: floor_divide and trunc",
    "Tensor.div_": "no rounding_mode: floor_divide and trunc",
    "Tensor.round": "no decimals: minigrad.round has it",
}
"""Functions whose arguments are not PyTorch's: what differs. All others are PyTorch's."""

HEAD = """\
# Differences from PyTorch

Everything else agrees: the suite in `tests/differential` calls both libraries with the same
arguments and compares values, dtypes, shapes, gradients under a random upstream gradient, and
signatures. Each row below is checked to differ. This page is written from the table in
`tests/differential/differences.py` by `python -m tests.differential.differences`.

The operands of functions are called `x`, or `a` and `b`, where PyTorch says `input` and `other`:
they are positional. `minigrad.nn.functional` has PyTorch's names. Arguments that mean nothing here
(`out`, `layout`, `memory_format`, `pin_memory`, `non_blocking`) do not exist.
"""


def render() -> str:
    """Return the page."""
    lines = [HEAD]
    sections = (
        ("Special values", SPECIAL_VALUES),
        ("Dtypes", DTYPES),
        ("Gradients", GRADIENTS),
        ("Shapes and arguments", SHAPES),
        ("Normalisation", NORMS),
        ("Others", OTHERS),
    )
    for title, rows in sections:
        lines += [f"## {title}\n", "| function | minigrad | PyTorch | why |", "|---|---|---|---|"]
        for row in rows:
            cells = (", ".join(row.names), row.minigrad, row.pytorch, row.reason)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    for title, table in (
        ("Signatures", SIGNATURES),
        ("Without a counterpart in PyTorch", WITHOUT_COUNTERPART),
        ("Not compared", NOT_COMPARED),
    ):
        lines += [f"## {title}\n", "| name | |", "|---|---|"]
        lines += [f"| `{name}` | {text} |" for name, text in table.items()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
