"""Say clearly that a checkout without symbolic links cannot be imported from its root.

``minigrad/kernels`` and ``minigrad/models`` are links to the folders beside ``minigrad``. Where git
could not make links it wrote small files in their place. An installed package has real folders.
"""

from pathlib import Path

for _name in ("kernels", "models"):
    if (Path(__file__).parent / _name).is_file():
        raise ImportError(
            f"minigrad/{_name} must be a link to the folder {_name}, but git has written a file: "
            "run `git config core.symlinks true` and check the tree out again, or install with "
            "`pip install .`, which needs no links"
        )
