"""`Tensor`: an array, its gradient, and a link to the op that made it."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from minigrad.arguments import check_integer
from minigrad.conversions import TensorConversions
from minigrad.device import CPU, Device
from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.matrix_methods import TensorMatrixMethods
from minigrad.methods import TensorMethods
from minigrad.registry import FUNCTIONS, NUMPY
from minigrad.typing import Array, DTypeLike, Shape

if TYPE_CHECKING:
    from minigrad.engine import Node
    from minigrad.hooks import GradientHooks, RemovableHandle

__all__ = ["Tensor", "as_tensor"]

_new = object.__new__


class Tensor(TensorConversions, TensorMethods, TensorMatrixMethods):
    """A NumPy array that can record what is done to it, with PyTorch's names.

    Parameters
    ----------
    data : ndarray, Tensor or array_like
        Shared if it is an array or a Tensor (`minigrad.tensor` copies); anything else is
        converted: Python floats become float32.
    requires_grad : bool
        Record operations on this Tensor so that `backward` can fill `grad`.

    Raises
    ------
    DTypeError
        If ``requires_grad`` is asked of data that are not floating, or data are not numbers.

    Attributes
    ----------
    array : ndarray
        The values themselves. Changing them in place here is not seen by the checks that guard
        gradients; the in-place operators and methods are.
    node : Node or None
        What computed this Tensor, if a gradient flows through it.

    Notes
    -----
    Tensors interoperate with NumPy in both directions: ``np.exp(t)`` is recorded and returns a
    Tensor, ``array * t`` too; ``np.asarray(t)`` gives the array (read-only if `t` requires a
    gradient).
    """

    __slots__ = (
        "__weakref__",
        "_grad",
        "_hooks",
        "_requires_grad",
        "array",
        "counter",
        "node",
    )

    array: Array
    node: Node | None
    counter: list[Any]  # [version, weak references to views]: one per memory, shared by its views
    _grad: Tensor | None
    _requires_grad: bool
    _hooks: GradientHooks  # only a leaf with hooks has it: no op pays for setting it

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        source = data if isinstance(data, Tensor) else None
        self.array = source.array if source is not None else as_array(data)
        self.node = None
        self.counter = source.counter if source is not None else [0]
        self._grad = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # -------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the values."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.array.ndim

    @property
    def device(self) -> Device:
        """Where the array lives."""
        return CPU

    @property
    def nbytes(self) -> int:
        """Bytes that the values occupy."""
        return self.array.nbytes

    @property
    def is_leaf(self) -> bool:
        """Whether a user made this Tensor, rather than a recorded op."""
        return self.node is None

    @property
    def grad_fn(self) -> Node | None:
        """What computed this Tensor; None for a leaf."""
        return self.node

    @property
    def _version(self) -> int:
        """How often the memory was changed in place."""
        version: int = self.counter[0]
        return version

    @property
    def data(self) -> Tensor:
        """The same values in a Tensor that is not recorded; as `detach`."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        array = value.array if isinstance(value, Tensor) else as_array(value)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ShapeError(
                f"data must have shape {self.shape} and dtype {self.dtype}, "
                f"got {array.shape} and {array.dtype}"
            )
        self.array = array
        self.counter[0] += 1

    def size(self, dim: int | None = None) -> Shape | int:
        """Return the shape, or the length of one axis."""
        return self.shape if dim is None else self.shape[_axis("size", dim, self.ndim)]

    def dim(self) -> int:
        """Return the number of axes."""
        return self.array.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self.array.size

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.array.itemsize

    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """Return the step along each axis, or along one, in elements (NumPy's are in bytes)."""
        steps = tuple(step // self.array.itemsize for step in self.array.strides)
        return steps if dim is None else steps[_axis("stride", dim, self.ndim)]

    def is_contiguous(self) -> bool:
        """Whether the values lie in C order without gaps."""
        return self.array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self.array.dtype.kind == "f"

    # -------------------------------------------------------------------------- gradients

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this Tensor are recorded."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.node is not None:
            raise AutogradError(
                "requires_grad can be set on leaves only; this Tensor is the result of "
                f"{self.node.op.__name__}: use detach()"
            )
        if value and self.dtype.kind != "f":
            raise DTypeError(
                f"only floating Tensors can require a gradient, got {self.dtype}; "
                "convert with .float() first"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` in place and return this Tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated, of this Tensor's shape, or None.

        A view of a leaf (a slice, a transpose, ...) that retains no gradient of its own shows the
        same view of the leaf's, which shares memory with it unless its memory order needs a copy.
        Of other intermediate results it is None: `retain_grad`.
        """
        if self._grad is None and self.node is not None:
            shown: Tensor | None = FUNCTIONS["grad_of_view"](self)
            return shown
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise DTypeError(f"grad must be a Tensor or None, got {type(value).__name__}")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ShapeError(
                    f"grad must have shape {self.shape} and dtype {self.dtype}, "
                    f"got {value.shape} and {value.dtype}"
                )
        self._grad = value

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient, or set it to zero in place."""
        if set_to_none or self._grad is None:
            self._grad = None
        else:
            self._grad = _wrap(np.zeros_like(self._grad.array))

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate result in `grad` during `backward`."""
        FUNCTIONS["retain_grad"](self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook`` with the gradient of this Tensor in every backward pass.

        Parameters
        ----------
        hook : callable
            ``hook(gradient)`` returns None, or a Tensor of the same shape and dtype that takes
            the place of the gradient. It must not change the gradient in place (that raises,
            except under ``create_graph=True``).

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` removes the hook.

        Raises
        ------
        AutogradError
            If this Tensor does not require a gradient.

        Notes
        -----
        Once per pass, when the gradients of all uses have been added up; hooks run in the order
        in which they were registered, and a retained gradient is what they leave. Those of leaves
        run last, before any ``grad`` changes. Under ``create_graph=True`` what a hook does is
        recorded. As in PyTorch, a change of this Tensor in place leaves the hook with the values
        from before.

        Examples
        --------
        >>> import minigrad as mg
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> with x.register_hook(lambda gradient: gradient.clamp(max=3.0)):
        ...     (x * x).sum().backward()
        >>> x.grad
        tensor([2., 3.])
        """
        handle: RemovableHandle = FUNCTIONS["register_hook"](self, hook)
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook`` with this leaf whenever `backward` has changed its `grad`.

        Parameters
        ----------
        hook : callable
            ``hook(leaf)``; what it returns is ignored. It may use and clear ``leaf.grad``.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` removes the hook.

        Raises
        ------
        AutogradError
            If this Tensor is not a leaf that requires a gradient.
        """
        handle: RemovableHandle = FUNCTIONS["register_post_accumulate_grad_hook"](self, hook)
        return handle

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Accumulate the gradient of this Tensor into the `grad` of every leaf behind it.

        Parameters
        ----------
        gradient : Tensor or ndarray, optional
            The upstream gradient, of this Tensor's shape and dtype. May be absent if this Tensor
            has one element.
        retain_graph : bool, optional
            Keep what was saved, so that backward can run again. Default: ``create_graph``.
        create_graph : bool
            Record the backward pass, for gradients of gradients.

        Raises
        ------
        AutogradError
            If nothing requires a gradient, the graph was freed, or a saved Tensor was changed.
        ShapeError, DTypeError
            If ``gradient`` does not fit.
        """
        FUNCTIONS["backward"](self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """Return the same values, sharing memory, in a Tensor that is not recorded."""
        tensor = _wrap(self.array)
        tensor.counter = self.counter
        return tensor

    # -------------------------------------------------------------------------- values

    def numpy(self) -> Array:
        """Return the array, sharing memory.

        Raises
        ------
        AutogradError
            If this Tensor requires a gradient: changing the array would falsify it.
        """
        if self._requires_grad:
            raise AutogradError(
                "numpy() of a Tensor that requires a gradient; use detach().numpy(), or "
                "np.asarray(t) for a read-only array"
            )
        return self.array

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self.array.size != 1:
            raise ShapeError(f"item() needs a Tensor of one element, got shape {self.shape}")
        return self.array.item()

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self.array.tolist()

    def cpu(self) -> Tensor:
        """Return this Tensor: it is on the CPU."""
        return self

    def cuda(self) -> Tensor:
        """Move to a GPU; raises `DeviceError` where there is none."""
        return self.to("cuda")

    def to(self, target: Any = None, dtype: DTypeLike = None, *, device: Any = None) -> Tensor:
        """Convert to a dtype, a device, or the dtype of another Tensor.

        Parameters
        ----------
        target : dtype, str, Device or Tensor, optional
            ``"cpu"`` or ``"cuda"`` are devices; other strings are dtypes.
        dtype : dtype, optional
        device : str or Device, optional

        Returns
        -------
        Tensor
            This Tensor if nothing changes. The conversion between floating dtypes is recorded.

        Raises
        ------
        DeviceError
            If the device is not available.
        """
        if isinstance(target, Tensor):
            dtype = target.dtype
        elif isinstance(target, Device) or (
            isinstance(target, str) and target.split(":")[0] in ("cpu", "cuda")
        ):
            device = target
        elif target is not None:
            dtype = target
        if device is not None:
            Device(device)
        return self if dtype is None else self._cast(dtype)

    # -------------------------------------------------------------------------- NumPy's protocols

    def __array__(self, dtype: DTypeLike = None, copy: bool | None = None) -> Array:
        array = np.array(self.array, dtype=dtype, copy=copy)
        if self._requires_grad and np.may_share_memory(array, self.array):
            array = array.view()
            array.flags.writeable = False
        return array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = NUMPY.get(ufunc)
        if function is None:
            raise DTypeError(
                f"numpy.{ufunc.__name__} has no rule for Tensors; use np.asarray(t) for its array "
                "(not recorded), or define a minigrad.Op"
            )
        if method != "__call__":
            raise DTypeError(
                f"numpy.{ufunc.__name__}.{method} has no rule for Tensors; use the function that "
                "it stands for (np.sum, np.max, ...), or np.asarray(t)"
            )
        if kwargs:
            raise DTypeError(
                f"numpy.{ufunc.__name__} on a Tensor does not take {', '.join(kwargs)}=; results "
                "are new Tensors: use np.where for where=, .to(dtype) for dtype=, and an in-place "
                "method or copy_ for out="
            )
        return function(*inputs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        function = NUMPY.get(func)
        if function is None:
            raise DTypeError(
                f"numpy.{func.__name__} has no rule for Tensors; use np.asarray(t) for its array "
                "(not recorded), or define a minigrad.Op"
            )
        for name in ("out", "where", "initial"):
            if kwargs.get(name) is not None:
                raise DTypeError(
                    f"numpy.{func.__name__} on a Tensor does not take {name}=; results are new "
                    "Tensors"
                )
        return function(*args, **kwargs)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        # A consumer may abort on negative strides (torch.from_dlpack does): hand it a copy.
        array = self.array
        if any(step < 0 for step in array.strides):
            array = np.ascontiguousarray(array)
        if self._requires_grad:
            raise AutogradError("a Tensor that requires a gradient cannot be exported: detach()")
        return array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, index = self.array.__dlpack_device__()
        return int(kind), int(index)

    # -------------------------------------------------------------------------- Python's protocols

    __hash__ = object.__hash__

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a Tensor of rank 0")
        length: int = self.array.shape[0]
        return length

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a Tensor of rank 0")
        return (self[index] for index in range(len(self)))

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ValueError(
                f"the truth of a Tensor of shape {self.shape} is ambiguous: use any() or all()"
            )
        return bool(self.array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError(f"only integer Tensors of one element can index, got {self.dtype}")
        index: SupportsIndex = self.item()
        return int(index)

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self.array == (value.array if isinstance(value, Tensor) else value)))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        body = np.array2string(self.array, separator=", ", prefix="tensor(")
        parts = [body]
        if self.dtype not in (np.float32, np.int64, np.bool_):
            parts.append(f"dtype={self.dtype}")
        if self.node is not None:
            parts.append(f"grad_fn={self.node!r}")
        elif self._requires_grad:
            parts.append("requires_grad=True")
        return f"tensor({', '.join(parts)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise AutogradError(
                "deepcopy of a Tensor that was computed by "
                f"{self.node.op.__name__}; copy leaves, or detach() first"
            )
        result = _new(type(self))
        _fill(result, self.array.copy(order="K"), None)
        result._requires_grad = self._requires_grad
        result._grad = copy.deepcopy(self._grad, memo)
        return result

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        raise TypeError(
            "Tensors are not pickled: a pickle can run code when it is loaded; "
            "use minigrad.save, or the state_dict of a module"
        )


def _axis(name: str, dim: Any, ndim: int) -> int:
    """Return an axis that exists, or raise."""
    axis = check_integer(name, "dim", dim)
    if not -ndim <= axis < ndim:
        raise ShapeError(
            f"{name}: dim must be from {-ndim} to {ndim - 1} for a Tensor of {ndim} axes, "
            f"got {axis}"
        )
    return axis


def _fill(tensor: Tensor, array: Array, node: Node | None) -> None:
    tensor.array = array
    tensor.node = node
    tensor.counter = [0]
    tensor._grad = None
    tensor._requires_grad = node is not None


def _wrap(array: Array, node: Node | None = None) -> Tensor:
    """Return a Tensor of ``array`` without checks or conversion."""
    tensor = _new(Tensor)
    tensor.array = array
    tensor.node = node
    tensor.counter = [0]
    tensor._grad = None
    tensor._requires_grad = node is not None
    return tensor


def _join_storage(view: Tensor, base: Tensor) -> None:
    """Let ``view`` share the version of ``base``, which learns that it has a view."""
    view.counter = base.counter
    counter = base.counter
    if len(counter) & (len(counter) - 1) == 0:  # at powers of two: many views stay linear work
        counter[1:] = [ref for ref in counter[1:] if ref() is not None]
    counter.append(weakref.ref(view))


def as_array(data: Any, dtype: DTypeLike = None) -> Array:
    """Return ``data`` as an array of numbers; Python floats become float32, as in PyTorch.

    If the caller converts to ``dtype`` next, they stay float64 until then, and lose nothing.
    """
    if isinstance(data, np.ndarray):
        array = data
    elif isinstance(data, np.generic):
        array = np.asarray(data)
    else:
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ShapeError(f"expected data of a regular shape: {error}") from error
        if array.dtype == np.float64 and dtype is None and not _has_float64(data):
            array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"expected real numbers or booleans, got {type(data).__name__} of dtype {array.dtype}"
        )
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def _has_float64(data: Any) -> bool:
    """Whether nested sequences hold float64 arrays, which keep their dtype."""
    if isinstance(data, (list, tuple)):
        return any(_has_float64(item) for item in data)
    return isinstance(data, (np.ndarray, np.generic, Tensor)) and data.dtype == np.float64


def as_tensor(data: Any, dtype: DTypeLike = None) -> Tensor:
    """Return ``data`` as a Tensor, sharing memory where it can.

    Parameters
    ----------
    data : Tensor, ndarray or array_like
    dtype : dtype, optional
        Convert to it.

    Returns
    -------
    Tensor
        ``data`` itself if it is a Tensor of that dtype.
    """
    tensor = data if isinstance(data, Tensor) else _wrap(as_array(data, dtype))
    return tensor if dtype is None else tensor._cast(dtype)
