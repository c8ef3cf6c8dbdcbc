"""A function and where it is called: what all of `minigrad.derivatives` start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from minigrad.arguments import check_callable
from minigrad.autograd import Alias, grad
from minigrad.engine import apply
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.tensor import Tensor, _wrap, as_tensor

__all__ = ["FunctionCall", "Tensors", "gradients", "or_zeros"]

Tensors: TypeAlias = Tensor | Sequence[Tensor]


class FunctionCall:
    """One call of the function to differentiate, on Tensors of its own that require a gradient.

    Parameters
    ----------
    name : str
        Of the public function, for errors.
    """

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        inputs: Tensors,
        create_graph: bool,
        strict: bool,
    ) -> None:
        self.name = name
        self.create_graph = create_graph
        self.strict = strict
        check_callable(name, "func", func)
        self.single_input = not isinstance(inputs, (tuple, list))
        given: Any = (inputs,) if self.single_input else inputs
        self.inputs = [self._own(position, tensor) for position, tensor in enumerate(given)]
        if not self.inputs:
            raise ShapeError(f"{name}: inputs must be one Tensor or more, got none")
        result = func(*self.inputs)
        self.single_output = not isinstance(result, (tuple, list))
        self.outputs: list[Tensor] = [result] if self.single_output else list(result)
        for position, output in enumerate(self.outputs):
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"{name}: func must return a Tensor or a tuple of Tensors, got "
                    f"{type(output).__name__} as output {position}"
                )
            if strict and not output.requires_grad:
                raise AutogradError(
                    f"{name}: output {position} of func does not depend on any input; "
                    "strict=False gives zeros for it"
                )

    def _own(self, position: int, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{self.name}: inputs must be a Tensor or a tuple of Tensors, got "
                f"{type(tensor).__name__} as input {position}"
            )
        if tensor.dtype.kind != "f":
            raise DTypeError(
                f"{self.name}: input {position} must be floating, got {tensor.dtype}; convert it "
                "with .float()"
            )
        if self.create_graph and tensor.requires_grad:
            own: Tensor = apply(Alias, tensor)
            return own
        return tensor.detach().requires_grad_()

    def scalar_output(self) -> Tensor:
        """Return the output, which must be one of one element."""
        if not self.single_output:
            raise TypeError(f"{self.name}: func must return one Tensor, got a tuple")
        (output,) = self.outputs
        if output.array.size != 1:
            raise ShapeError(
                f"{self.name}: func must return a Tensor of one element, got shape {output.shape}"
            )
        return output

    def vectors(self, v: Any, like: Sequence[Tensor], what: str) -> list[Tensor]:
        """Return ``v`` as one Tensor for each of ``like``."""
        if v is None:
            if len(like) != 1 or like[0].array.size != 1:
                raise ShapeError(
                    f"{self.name}: v is needed, one per {what} and of its shape, unless there is "
                    f"one {what} of one element"
                )
            return [_wrap(np.ones_like(like[0].array))]
        given = list(v) if isinstance(v, (tuple, list)) else [v]
        if len(given) != len(like):
            raise ShapeError(
                f"{self.name}: expected v to have {len(like)} parts, one per {what}, got "
                f"{len(given)} ({type(v).__name__})"
            )
        vectors = [
            as_tensor(part, tensor.dtype if isinstance(part, (int, float)) else None)
            for part, tensor in zip(given, like, strict=True)
        ]
        for position, (vector, tensor) in enumerate(zip(vectors, like, strict=True)):
            if vector.shape != tensor.shape:
                raise ShapeError(
                    f"{self.name}: v for {what} {position} must have shape {tensor.shape}, got "
                    f"{vector.shape}"
                )
            if vector.dtype != tensor.dtype:
                raise DTypeError(
                    f"{self.name}: v for {what} {position} must be {tensor.dtype}, got "
                    f"{vector.dtype}"
                )
        return vectors

    def pull_back(self, vectors: Sequence[Tensor | None], create_graph: bool) -> list[Tensor]:
        """Return the vector-Jacobian product, one Tensor per input."""
        found = gradients(self.outputs, self.inputs, vectors, create_graph)
        self._check_used("no output of func depends on input", found)
        return [or_zeros(part, x) for part, x in zip(found, self.inputs, strict=True)]

    def _check_used(self, what: str, gradients: Sequence[Tensor | None]) -> None:
        for position, gradient in enumerate(gradients):
            if self.strict and gradient is None:
                raise AutogradError(
                    f"{self.name}: {what} {position}; strict=False gives zeros for it"
                )

    def check_slopes(self, slopes: Sequence[Tensor]) -> None:
        """Raise, if strict, where a gradient is constant."""
        for position, slope in enumerate(slopes):
            if self.strict and not slope.requires_grad:
                raise AutogradError(
                    f"{self.name}: the gradient by input {position} does not depend on any input; "
                    "strict=False gives zeros for it"
                )

    def jacobian_of(self, output: Tensor) -> list[Tensor]:
        """Return the derivatives of one output by each input."""
        rows: list[list[Tensor]] = []
        for index in range(output.array.size if output.requires_grad else 0):
            seed = np.zeros(output.shape, output.dtype)
            seed.reshape(-1)[index] = 1.0
            found = gradients([output], self.inputs, [_wrap(seed)], self.create_graph)
            self._check_used("an output of func, or its gradient, does not depend on input", found)
            rows.append([or_zeros(part, x) for part, x in zip(found, self.inputs, strict=True)])
        derivatives: list[Tensor] = []
        for position, x in enumerate(self.inputs):
            shape = (*output.shape, *x.shape)
            if not rows:
                derivatives.append(_wrap(np.zeros(shape, x.dtype)))
                continue
            stacked: Any = np.stack([row[position] for row in rows])
            derivatives.append(stacked.reshape(shape))
        return derivatives

    def like_inputs(self, tensors: Sequence[Tensor]) -> Any:
        """Return results, one per input, in the structure of the inputs."""
        return self.finished(tensors, self.single_input)

    def finished(self, tensors: Sequence[Tensor], single: bool) -> Any:
        """Return results as a Tensor or a tuple, without history unless that was asked for."""
        ready = tensors if self.create_graph else [tensor.detach() for tensor in tensors]
        return ready[0] if single else tuple(ready)


def gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor | None],
    create_graph: bool,
) -> tuple[Tensor | None, ...]:
    """As `grad`, of the outputs that depend on anything; the graph is kept until the call ends."""
    pairs = [pair for pair in zip(outputs, vectors, strict=True) if pair[0].requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    return grad(
        [output for output, _ in pairs],
        inputs,
        [vector for _, vector in pairs],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )


def or_zeros(gradient: Tensor | None, like: Tensor) -> Tensor:
    """Return ``gradient``, or zeros of the shape and dtype of ``like``."""
    return _wrap(np.zeros_like(like.array)) if gradient is None else gradient
