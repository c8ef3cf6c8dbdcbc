"""Derivatives of functions, checkpoints, graphs, hooks and anomaly mode."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from tests.bad_input.calls import SUBJECTS, Subject, add, t


def squares(x: mg.Tensor) -> mg.Tensor:
    return x * x


def energy(x: mg.Tensor) -> mg.Tensor:
    return (x * x * x).sum()


def products(x: mg.Tensor, y: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
    return x * y, (x * x * y).sum()


def look(*values: Any) -> None:
    """Do nothing, as a hook."""


def recorded() -> tuple[mg.Tensor, dict[str, mg.Tensor]]:
    x = t(2, 3)
    return energy(x), {"x": x}


PLAIN = {"create_graph": True, "strict": True}
add("mg", "vjp jvp", lambda: (squares, t(2, 3), t(2, 3)), **PLAIN)
add("mg", "vjp", lambda: (products, (t(3), t(3)), (t(3), t())), **PLAIN)
add("mg", "jvp", lambda: (products, (t(3), t(3)), (t(3), t(3))), **PLAIN)
add("mg", "hvp", lambda: (energy, t(2, 3), t(2, 3)), **PLAIN)
add("mg", "jacobian", lambda: (squares, t(2, 3)), **PLAIN)
add("mg", "jacobian", lambda: (products, (t(3), t(3))), **PLAIN)
add("mg", "hessian", lambda: (energy, t(2, 3)), **PLAIN)
add("mg", "checkpoint", lambda: (mg.square, t(2, 3)), preserve_rng_state=True, use_reentrant=False)
add("mg", "graph_of", recorded)
add("mg", "graph_of Graph", lambda: ([recorded()[0], t(2)], {}))
add("mg", "detect_anomaly", lambda: (True, True))
add("Tensor", "register_hook register_post_accumulate_grad_hook", lambda: (t(2, 3), look))


def switched(*arguments: Any) -> None:
    """Switch anomaly mode for the length of a block, so that no other test sees it."""
    with mg.set_detect_anomaly(*arguments):
        pass


SUBJECTS.append(Subject("mg.set_detect_anomaly", switched, lambda: (True, True, True), {}))
