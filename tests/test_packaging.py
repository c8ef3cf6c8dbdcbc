"""What a newcomer meets first: the README, the version, the data, the name of the package."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DIGITS = ROOT / "minigrad" / "data" / "files" / "digits.npz"

COMMANDS = (
    "pip install . && minigrad train digits",
    'pip install ".[test]" && pytest',
)
"""What the README promises first, and `.ci/run` runs."""

FIRST_SCREEN = 30  # lines
MAX_DIGITS_BYTES = 100_000


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_readme_begins_with_the_two_commands() -> None:
    assert tuple(block.strip() for block in blocks("sh")[:2]) == COMMANDS
    first_screen = README.splitlines()[:FIRST_SCREEN]
    assert set(COMMANDS) <= set(first_screen)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_readme_code_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = compile(blocks("python")[number], f"README.md, Python block {number}", "exec")
    exec(code, {"__name__": "__main__"})


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
)
def test_nobody_is_sent_to_another_project(path: Path) -> None:
    """PyPI's `minigrad` is another engine; ours is `minigrad-numba`."""
    text = path.read_text("utf-8")
    assert not re.search(r"pip install\s+(-\S+\s+)*[\"']?minigrad(?!-numba)\b", text)


def test_local_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_changelog_has_this_version_first() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[([^]]+)\]", changelog, flags=re.MULTILINE)
    assert versions[0] == minigrad.__version__


def test_digits_are_the_ones_described() -> None:
    data = DIGITS.read_bytes()
    assert len(data) < MAX_DIGITS_BYTES
    described = DIGITS.with_name("README.md").read_text("utf-8")
    assert hashlib.sha256(data).hexdigest() in described
    with np.load(DIGITS, allow_pickle=False) as archive:
        images, labels, is_test = (archive[name] for name in ("images", "labels", "is_test"))
    assert (images.shape, images.dtype, images.max()) == ((1797, 8, 8), np.uint8, 16)
    assert np.unique(labels).tolist() == list(range(10))
    assert is_test.sum() == 359
    fractions = np.bincount(labels[is_test]) / np.bincount(labels)
    assert np.all(np.abs(fractions - 0.2) < 0.01)  # stratified


@pytest.mark.parametrize("folder", ["kernels", "models"])
def test_a_second_copy_is_refused(folder: str) -> None:
    """From the root of the tree, `import kernels` would load every module a second time."""
    result = subprocess.run(
        [sys.executable, "-c", f"import {folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "ImportError" in result.stderr
    assert f"import minigrad.{folder}" in result.stderr
