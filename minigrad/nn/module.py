"""`Module`: what layers and nets are made of, with PyTorch's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, ClassVar, Self

import numpy as np

from minigrad.arguments import check_callable, check_text, real_dtype
from minigrad.device import Device
from minigrad.errors import DTypeError
from minigrad.hooks import RemovableHandle, add_hook
from minigrad.nn import state_dict as states
from minigrad.nn.hooks import Hooks
from minigrad.nn.tree import ModuleTree
from minigrad.tensor import Tensor
from minigrad.typing import DTypeLike

__all__ = ["Module"]


class Module(ModuleTree):
    """Base of layers and nets: parameters, buffers, submodules, a mode and a forward pass.

    A subclass calls ``super().__init__()``, assigns `Parameter` and Module attributes, which
    registers them, and defines ``forward``. Calling the module runs it.

    Attributes
    ----------
    training : bool
        The mode, which `train` and `eval` set: layers such as dropout depend on it.

    Notes
    -----
    Parameters, buffers and submodules are ordinary attributes, so reading one costs nothing
    extra; the module keeps only their names, in the order in which they were registered.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Scale(mg.nn.Module):
    ...     def __init__(self, size):
    ...         super().__init__()
    ...         self.factor = mg.nn.Parameter(mg.ones(size))
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> [name for name, _ in Scale(3).named_parameters()]
    ['factor']
    """

    # Defaults of the class: a module without state works without super().__init__().
    training: bool = True
    _hooks: Hooks | None = None

    _fixed_dtype_buffers: ClassVar[frozenset[str]] = frozenset()
    """Buffers that keep their dtype when the module is converted to another."""
    _optional_keys: ClassVar[frozenset[str]] = frozenset()
    """Own names that a state_dict may lack even if it is loaded strictly."""

    def __init__(self) -> None:
        super().__init__()
        self.training = True

    # -------------------------------------------------------------------------- running

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass that is called defines it."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define forward(), so it cannot be called"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the forward pass, between the hooks if there are any."""
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.run(self, args, kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Run ``hook(module, args)`` before each forward pass.

        Parameters
        ----------
        hook : callable
            May return a replacement of the arguments: a tuple, or a single value. With
            ``with_kwargs`` it is called as ``hook(module, args, kwargs)`` and returns None or
            ``(args, kwargs)``.
        prepend : bool
            Run it before the hooks that are already there.
        with_kwargs : bool

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` removes the hook.
        """
        check_callable("register_forward_pre_hook", "hook", hook)
        return add_hook(self._own_hooks().before, (hook, with_kwargs), prepend=prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Run ``hook(module, args, output)`` after each forward pass.

        Parameters
        ----------
        hook : callable
            May return a replacement of the output. With ``with_kwargs`` it is called as
            ``hook(module, args, kwargs, output)``.
        prepend : bool
            Run it before the hooks that are already there.
        with_kwargs : bool
        always_call : bool
            Also call it, with an output of None, if the forward pass or another hook raises.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` removes the hook.
        """
        check_callable("register_forward_hook", "hook", hook)
        return self._own_hooks().add_after(
            hook, prepend=prepend, with_kwargs=with_kwargs, always_call=always_call
        )

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run ``hook(module, grad_input, grad_output)`` in each backward pass.

        Parameters
        ----------
        hook : callable
            ``grad_input`` is a tuple with the gradient of each positional argument, None for those
            that have none; ``grad_output`` one with that of each output. May return a replacement
            of ``grad_input``: a tuple, or a single Tensor. It must change no gradient in place.
        prepend : bool
            Run it before the hooks that are already there.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` removes the hook.

        Notes
        -----
        The hook holds for forward passes that follow. While a module has backward hooks its output
        must be a Tensor or a tuple of Tensors, and neither inputs nor outputs may be changed in
        place. If no positional argument requires a gradient, ``grad_input`` holds None alone and
        the hook runs when the gradients of the outputs are known.
        """
        check_callable("register_full_backward_hook", "hook", hook)
        return add_hook(self._own_hooks().backward, hook, prepend=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run ``hook(module, grad_output)`` before each backward pass through the module.

        Parameters
        ----------
        hook : callable
            May return a replacement of ``grad_output``, the tuple with the gradient of each
            output: a tuple, or a single Tensor. It must change no gradient in place.
        prepend : bool
            Run it before the hooks that are already there.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` removes the hook.
        """
        check_callable("register_full_backward_pre_hook", "hook", hook)
        return add_hook(self._own_hooks().backward_before, hook, prepend=prepend)

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    # -------------------------------------------------------------------------- whole nets

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` with every submodule, children first, then with this module."""
        check_callable("apply", "fn", fn)
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set the mode of this module and all below it to training, or to evaluation."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode must be True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set the mode of this module and all below it to evaluation."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Learn the parameters, or leave them as they are."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for parameter in self.parameters():
            parameter.zero_grad(set_to_none)

    def to(self, target: Any = None, dtype: DTypeLike = None, *, device: Any = None) -> Self:
        """Convert the floating parameters and buffers, in place.

        Parameters
        ----------
        target : dtype, str, Device or Tensor, optional
            ``"cpu"`` and ``"cuda"`` are devices; other strings are dtypes; a Tensor stands for
            its dtype.
        dtype : dtype, optional
            A floating one.
        device : str or Device, optional

        Returns
        -------
        Module
            This one.

        Raises
        ------
        DeviceError
            If the device is not available.
        DTypeError
            If the dtype is not floating.

        Notes
        -----
        Parameters stay the same objects; make optimisers after the conversion, because what they
        keep is not converted. Running statistics of BatchNorm stay float64.
        """
        if isinstance(target, Device) or (
            isinstance(target, str) and target.split(":")[0] in ("cpu", "cuda")
        ):
            device = target
        elif isinstance(target, Tensor):
            dtype = target.dtype
        elif target is not None:
            dtype = target
        if device is not None:
            Device(device)
        if dtype is not None:
            dtype = real_dtype(dtype)
            if dtype.kind != "f":
                raise DTypeError(
                    f"{type(self).__name__}.to: expected a floating dtype, got {dtype}"
                )
            for module in self.modules():
                module._convert(dtype)
        return self

    def _convert(self, dtype: np.dtype[Any]) -> None:
        """Convert the module's own parameters and buffers."""
        for name in self._parameter_names:
            parameter = self.__dict__[name]
            if parameter is not None and parameter.dtype != dtype and parameter.dtype.kind == "f":
                gradient = parameter.grad
                parameter.grad = None
                parameter.array = parameter.array.astype(dtype)
                parameter.counter[0] += 1
                parameter.grad = None if gradient is None else gradient.detach().to(dtype)
        for name in self._buffer_names:
            buffer = self.__dict__[name]
            if buffer is None or name in self._fixed_dtype_buffers or buffer.dtype.kind != "f":
                continue
            self.__dict__[name] = buffer.detach().to(dtype)

    def float(self) -> Self:
        """Convert the floating parameters and buffers to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert the floating parameters and buffers to float64."""
        return self.to(np.float64)

    def cpu(self) -> Self:
        """Return this module: it is on the CPU."""
        return self.to("cpu")

    def cuda(self) -> Self:
        """Move to a GPU; raises `DeviceError` where there is none."""
        return self.to("cuda")

    # -------------------------------------------------------------------------- state

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """Return parameters, persistent buffers and extra state by path.

        Parameters
        ----------
        destination : dict, optional
            What to add to; default: a new one.
        prefix : str
            Start of every key.
        keep_vars : bool
            Return the parameters themselves rather than detached Tensors.

        Returns
        -------
        dict
            The Tensors share memory with the module: copy.deepcopy it to keep a snapshot.
        """
        destination = {} if destination is None else destination
        if not isinstance(destination, MutableMapping):
            raise DTypeError(
                f"state_dict: destination must be a dict, got {type(destination).__name__}"
            )
        check_text("state_dict", "prefix", prefix)
        states.collect(self, destination, prefix, keep_vars)
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> states.IncompatibleKeys:
        """Copy parameters, buffers and extra state from a dictionary such as `state_dict`'s.

        Parameters
        ----------
        state_dict : mapping of str
            To Tensors or arrays, converted to the dtype that each has here; PyTorch's too.
        strict : bool
            Refuse missing and unexpected keys.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``; empty when ``strict``.

        Raises
        ------
        StateDictError
            One that lists all missing, unexpected and mis-shaped keys. Nothing is changed then.
        """
        return states.load(self, state_dict, strict)

    def get_extra_state(self) -> Any:
        """Return what to keep in the state_dict beside Tensors; None: nothing.

        A subclass that overrides this also overrides `set_extra_state`.
        """
        return None

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise NotImplementedError(
            f"{type(self).__name__} defines get_extra_state() without set_extra_state()"
        )

    def _takes_extra_state(self) -> bool:
        return type(self).set_extra_state is not Module.set_extra_state

    # -------------------------------------------------------------------------- text

    def extra_repr(self) -> str:
        """Return what `repr` shows between the parentheses, beside the submodules."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indented(child)}" for name, child in self.named_children()]
        return layout(type(self).__name__, lines, children)


def indented(module: Module) -> str:
    """Return the text of a module as it stands inside that of its parent."""
    return repr(module).replace("\n", "\n  ")


def layout(name: str, lines: list[str], children: list[str]) -> str:
    """Return the text of a module: on one line if it has no children and at most one line."""
    if len(lines) <= 1 and not children:
        return f"{name}({''.join(lines)})"
    body = "\n  ".join(lines + children)
    return f"{name}(\n  {body}\n)"
