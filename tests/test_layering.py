"""The layers import downwards only, and the library stands on NumPy and Numba alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("minigrad", "kernels", "models")

LAYERS = (
    {"_links", "_version", "arguments", "errors", "typing"},
    {"kernels"},
    {
        "anomaly",
        "autograd",
        "checkpointing",
        "common_methods",
        "conversions",
        "creation",
        "derivatives",
        "device",
        "engine",
        "function_call",
        "grad_mode",
        "graph",
        "hooks",
        "matrix_methods",
        "methods",
        "operators",
        "random",
        "registry",
        "runtime",
        "tensor",
        "upstream",
        "views",
    },
    {"linalg", "ops"},
    {"nn"},
    {"optim", "data", "testing", "serialization"},
    {"train"},
    {"__init__"},  # `import minigrad`: everything that a program may use
    {"models"},
    {"cli", "__main__"},
)
"""Modules and packages of minigrad, lowest first: each may import its own layer and those below."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

FREE_IMPORTS = {"minigrad", "numpy", "numba"}
"""What every file may import, with the standard library."""

OTHER_IMPORTS = {
    "hypothesis": ("minigrad/testing/strategies", "minigrad/testing/pytest_plugin.py"),
    "llvmlite": ("kernels/cpu/", "kernels/info.py"),  # Numba's own code generator
    "matplotlib": ("minigrad/nn/tools/plot.py",),
    "pytest": ("minigrad/testing/pytest_plugin.py",),
    "rich": ("minigrad/cli.py", "minigrad/train/progress.py"),
}
"""Everything else, and the only places that may import it."""

FOREIGN_TO_IMPORT = ("hypothesis", "matplotlib", "pytest", "rich", "torch")
"""What `import minigrad` must leave alone."""


class Import(NamedTuple):
    """One imported module: its dotted name and where the import stands."""

    module: str
    line: int


def source_files() -> list[Path]:
    """Return the real files of the package; the links in ``minigrad`` lead to the same ones."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    names = {path.resolve().relative_to(ROOT.resolve()) for path in found}
    return sorted(names)


def imports(source: str) -> Iterator[Import]:
    """Yield what is imported at run time, at any depth: not under ``if TYPE_CHECKING``."""
    stack: list[ast.AST] = [ast.parse(source)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING":
            stack.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(f"{'.' * node.level}{node.module or ''}.{alias.name}", node.lineno)
        stack.extend(ast.iter_child_nodes(node))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def component(path: Path) -> str:
    """Return the module or package of minigrad that a file belongs to: ``nn``, ``tensor``."""
    parts = path.with_suffix("").parts
    return parts[1] if parts[0] == "minigrad" else parts[0]


def target(module: str) -> str:
    """Return the component that ``minigrad.<...>`` imports; a mere name is the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL else "__init__"


def violations(path: Path, source: str) -> list[str]:
    """Return what is wrong with the imports of one file, a line each."""
    found = []
    own = component(path)
    for module, line in imports(source):
        top = module.split(".")[0]
        where = f"{path.as_posix()}:{line}: import of {module}: "
        if not top:
            found.append(where + "write it absolute")
        elif top == "minigrad":
            if LEVEL[target(module)] > LEVEL[own]:
                found.append(where + f"{own} is below {target(module)}")
        elif top in OTHER_IMPORTS:
            if not path.as_posix().startswith(OTHER_IMPORTS[top]):
                found.append(where + f"{top} belongs to {', '.join(OTHER_IMPORTS[top])}")
        elif top not in FREE_IMPORTS and top not in sys.stdlib_module_names:
            found.append(where + "the library stands on the standard library, NumPy and Numba")
    return found


def test_every_module_has_a_layer() -> None:
    unknown = {component(path) for path in source_files()} - LEVEL.keys()
    assert not unknown, f"give these a place in LAYERS: {sorted(unknown)}"


def test_imports_go_down() -> None:
    files = source_files()
    assert files
    found = [text for path in files for text in violations(path, (ROOT / path).read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("minigrad/tensor.py", "from minigrad.ops.elementwise import add"),
        ("minigrad/ops/reduce.py", "from minigrad import nn"),
        ("minigrad/ops/reduce.py", "import minigrad as mg"),
        ("minigrad/optim/sgd.py", "def step():\n    from minigrad.train.loop import fit"),
        ("minigrad/train/loop.py", "if debug:\n    import minigrad.cli"),
        ("minigrad/nn/linear.py", "from .module import Module"),
        ("minigrad/nn/linear.py", "from rich.progress import Progress"),
        ("minigrad/data/digits.py", "import scipy.linalg"),
        ("kernels/dispatch.py", "from minigrad.tensor import Tensor"),
        ("kernels/dispatch.py", "import kernels.types"),
        ("models/mlp.py", "from minigrad.cli import main"),
    ],
)
def test_a_wrong_import_is_found(path: str, source: str) -> None:
    assert len(violations(Path(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("minigrad/tensor.py", "if TYPE_CHECKING:\n    from minigrad.ops.elementwise import add"),
        ("minigrad/optim/sgd.py", "from minigrad import nn"),
        ("minigrad/cli.py", "import argparse\nimport rich\nimport minigrad as mg"),
        ("models/mlp.py", "import minigrad as mg\nfrom minigrad.nn import Linear"),
        ("kernels/cpu/simd.py", "import numba\nfrom llvmlite import ir"),
    ],
)
def test_a_right_import_is_not(path: str, source: str) -> None:
    assert violations(Path(path), source) == []


def test_import_compiles_nothing_and_stays_small(tmp_path: Path) -> None:
    program = f"""
import os, sys
os.environ["NUMBA_CACHE_DIR"] = {str(tmp_path)!r}  # empty: nothing could be loaded from disk
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    import minigrad
assert not recorder.buffer, recorder.buffer
loaded = sorted(set({FOREIGN_TO_IMPORT!r}) & set(sys.modules))
assert not loaded, f"import minigrad imports {{loaded}}"
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", ["minigrad", "minigrad/ops", "minigrad/testing"])
def test_the_map_of_modules_names_each(package: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8").split("## One rule")[0]
    modules = {path.stem for path in (ROOT / package).glob("*.py") if path.name[0] != "_"}
    assert [name for name in sorted(modules) if f"`{name}`" not in text] == []
