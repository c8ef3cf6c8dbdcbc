"""Derivatives of functions, with the names and signatures of ``torch.autograd.functional``.

All are made of `grad`: there is no second set of rules. `jvp` differentiates the vector-Jacobian
product, which is linear in its vector, by that vector; `hvp` and `hessian` differentiate a recorded
gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.function_call import FunctionCall, Tensors, gradients, or_zeros
from minigrad.grad_mode import enable_grad
from minigrad.tensor import _wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vjp"]


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of ``v`` with its Jacobian, ``v^T J``.

    Parameters
    ----------
    func : callable
        Of as many Tensors as ``inputs`` has; returns a Tensor or a tuple of Tensors.
    inputs : Tensor or tuple of Tensor
        Floating; they need not require a gradient.
    v : Tensor, ndarray or tuple of them, optional
        One per output, of its shape and dtype. May be absent for a single output of one element.
    create_graph : bool
        Return results that can be differentiated by ``inputs`` that require a gradient, and by
        ``v``.
    strict : bool
        Raise if an output depends on no input, or no output on an input; else the product has zeros
        there.

    Returns
    -------
    outputs, product : Tensor or tuple of Tensor
        The outputs as ``func`` returns them; the product like ``inputs``.

    Raises
    ------
    AutogradError
        By ``strict``.
    ShapeError, DTypeError, TypeError
        If inputs, outputs or ``v`` are not as described.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.vjp(lambda x: x * x, mg.tensor([1.0, 2.0]), mg.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        call = FunctionCall("vjp", func, inputs, create_graph, strict)
        product = call.pull_back(call.vectors(v, call.outputs, "output"), create_graph)
        return call.finished(call.outputs, call.single_output), call.like_inputs(product)


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of its Jacobian with ``v``, ``J v``.

    The derivative of the outputs in the direction ``v``; two backward passes.

    Parameters
    ----------
    func : callable
        Of as many Tensors as ``inputs`` has; returns a Tensor or a tuple of Tensors.
    inputs : Tensor or tuple of Tensor
        Floating; they need not require a gradient.
    v : Tensor, ndarray or tuple of them, optional
        The direction: one per input, of its shape and dtype. May be absent for a single input of
        one element.
    create_graph : bool
        Return results that can be differentiated by ``inputs`` that require a gradient, and by
        ``v``.
    strict : bool
        Raise if an output depends on no input, or no output on an input; else the product has zeros
        there.

    Returns
    -------
    outputs, product : Tensor or tuple of Tensor
        The outputs as ``func`` returns them; the product like the outputs.

    Raises
    ------
    AutogradError
        By ``strict``.
    ShapeError, DTypeError, TypeError
        If inputs, outputs or ``v`` are not as described.

    Notes
    -----
    With ``g(u) = u^T J``, linear in u: the gradient of ``g(u) . v`` by u is ``J v``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.jvp(lambda x: (x * x).sum(), mg.tensor([1.0, 2.0]), mg.tensor([1.0, 10.0]))
    (tensor(5.), tensor(42.))
    """
    with enable_grad():
        call = FunctionCall("jvp", func, inputs, create_graph, strict)
        vectors = call.vectors(v, call.inputs, "input")
        dummies = [
            _wrap(np.zeros_like(output.array)).requires_grad_() if output.requires_grad else None
            for output in call.outputs
        ]
        pulled = call.pull_back(dummies, True)
        wanted = [dummy for dummy in dummies if dummy is not None]
        pushed = iter(gradients(pulled, wanted, vectors, create_graph))
        product = [
            or_zeros(None if dummy is None else next(pushed), output)
            for dummy, output in zip(dummies, call.outputs, strict=True)
        ]
        outputs = call.finished(call.outputs, call.single_output)
        return outputs, call.finished(product, call.single_output)


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return ``func(*inputs)``, of one element, and the product of its Hessian with ``v``.

    Parameters
    ----------
    func : callable
        Of as many Tensors as ``inputs`` has; returns a Tensor of one element.
    inputs : Tensor or tuple of Tensor
        Floating; they need not require a gradient.
    v : Tensor, ndarray or tuple of them, optional
        One per input, of its shape and dtype. May be absent for a single input of one element.
    create_graph : bool
        Return results that can be differentiated by ``inputs`` that require a gradient, and by
        ``v``.
    strict : bool
        Raise if the output or its gradient does not depend on an input; else the product has zeros
        there.

    Returns
    -------
    output : Tensor
    product : Tensor or tuple of Tensor
        Like ``inputs``.

    Raises
    ------
    AutogradError
        By ``strict``.
    ShapeError, DTypeError, TypeError
        If inputs, output or ``v`` are not as described.

    Notes
    -----
    The gradient of ``v . grad(f)``: two backward passes, and the Hessian is never formed
    (Pearlmutter 1994, https://doi.org/10.1162/neco.1994.6.1.147).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.hvp(lambda x: (x**3).sum(), mg.tensor([1.0, 2.0]), mg.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        call = FunctionCall("hvp", func, inputs, create_graph, strict)
        output = call.scalar_output()
        vectors = call.vectors(v, call.inputs, "input")
        slopes = call.pull_back([None], True)
        call.check_slopes(slopes)
        found = gradients(slopes, call.inputs, vectors, create_graph)
        product = [or_zeros(part, x) for part, x in zip(found, call.inputs, strict=True)]
        return call.finished([output], True), call.like_inputs(product)


def jacobian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the derivatives of every output of ``func`` by every input.

    Parameters
    ----------
    func : callable
        Of as many Tensors as ``inputs`` has; returns a Tensor or a tuple of Tensors.
    inputs : Tensor or tuple of Tensor
        Floating; they need not require a gradient.
    create_graph : bool
        Return derivatives that can be differentiated by ``inputs`` that require a gradient.
    strict : bool
        Raise if an output depends on no input, or no output on an input; else the derivatives are
        zero there.

    Returns
    -------
    Tensor, tuple of Tensor, or tuple of tuple of Tensor
        For one output and one input, of shape ``(*output.shape, *input.shape)``; for several
        inputs a tuple of such; for several outputs a tuple with one of those per output.

    Raises
    ------
    AutogradError
        By ``strict``.
    DTypeError, TypeError
        If inputs or outputs are not as described.

    Notes
    -----
    One backward pass per element of the outputs.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.jacobian(lambda x: x * x.sum(), mg.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    with enable_grad():
        call = FunctionCall("jacobian", func, inputs, create_graph, strict)
        rows = [call.like_inputs(call.jacobian_of(output)) for output in call.outputs]
        return rows[0] if call.single_output else tuple(rows)


def hessian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the second derivatives of ``func``, whose result has one element.

    Parameters
    ----------
    func : callable
        Of as many Tensors as ``inputs`` has; returns a Tensor of one element.
    inputs : Tensor or tuple of Tensor
        Floating; they need not require a gradient.
    create_graph : bool
        Return derivatives that can be differentiated by ``inputs`` that require a gradient.
    strict : bool
        Raise if the output or its gradient does not depend on an input; else the derivatives are
        zero there.

    Returns
    -------
    Tensor or tuple of tuple of Tensor
        For one input, of shape ``(*input.shape, *input.shape)``; for several, element ``[i][j]``
        is the derivative by input i, then by input j.

    Raises
    ------
    AutogradError
        By ``strict``.
    ShapeError, DTypeError, TypeError
        If inputs or output are not as described.

    Notes
    -----
    One backward pass through the gradient per element of the inputs.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.hessian(lambda x: x[0] ** 2 * x[1], mg.tensor([1.0, 2.0]))
    tensor([[4., 2.],
            [2., 0.]])
    """
    with enable_grad():
        call = FunctionCall("hessian", func, inputs, create_graph, strict)
        call.scalar_output()
        slopes = call.pull_back([None], True)
        call.check_slopes(slopes)
        rows = [call.like_inputs(call.jacobian_of(slope)) for slope in slopes]
        return rows[0] if call.single_input else tuple(rows)
