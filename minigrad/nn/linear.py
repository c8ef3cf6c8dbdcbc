"""The affine layer, and the layer that does nothing."""

from __future__ import annotations

import math
from typing import Any

from minigrad.arguments import check_integer
from minigrad.nn import init
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.ops import linear
from minigrad.tensor import Tensor
from minigrad.typing import DTypeLike

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Return the input; takes and ignores any arguments, to stand in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """Return ``x``."""
        return x


class Linear(Module):
    """``y = x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of input and output.
    bias : bool
        Whether to add one; leave it out before BatchNorm, which subtracts it again.
    device : str or Device, optional
    dtype : dtype, optional
        Of the parameters; default float32.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
        Starts uniform on ``[-k, k]`` with ``k = 1 / sqrt(in_features)``, as in PyTorch.
    bias : Parameter, shape (out_features,), or None
        Starts uniform on the same interval.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(3, 5)
    >>> layer(mg.zeros(2, 3)).shape
    (2, 5)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        check_integer("Linear", "in_features", in_features)
        check_integer("Linear", "out_features", out_features)
        if in_features < 0 or out_features < 0:
            raise ValueError(
                f"Linear: in_features and out_features must be >= 0, got {in_features} and "
                f"{out_features}"
            )
        self.in_features = in_features
        self.out_features = out_features
        self.weight = new_parameter((out_features, in_features), device, dtype)
        self.register_parameter(
            "bias", new_parameter((out_features,), device, dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        # With a = sqrt(5) the bound of kaiming_uniform_ is 1 / sqrt(fan_in): torch.nn.Linear.
        init.kaiming_uniform_(self.weight, a=math.sqrt(5.0))
        if self.bias is not None:
            bound = 1.0 / math.sqrt(max(1, self.in_features))
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Any) -> Tensor:
        """Map the last axis.

        Parameters
        ----------
        x : Tensor, shape (..., in_features), dtype of the parameters

        Returns
        -------
        Tensor, shape (..., out_features)
        """
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
