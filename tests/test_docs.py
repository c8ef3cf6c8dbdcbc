"""The code in docs/ runs, and prints what it says.

The blocks of a page share their names, in order: ``python`` blocks are run, ``pycon`` blocks are
checked against the output that they show.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def run_page(path: Path) -> int:
    """Run every block of a page, and return how many there are."""
    text = path.read_text("utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        line = text.count("\n", 0, block.start(2))
        if block[1] == "python":
            # Empty lines first, so that errors name the line of the page.
            exec(compile("\n" * line + block[2], path.name, "exec"), names)
        else:
            test = doctest.DocTestParser().get_doctest(block[2], {}, path.name, str(path), line)
            test.globs = names
            report: list[str] = []
            result = runner.run(test, out=report.append, clear_globs=False)
            assert not result.failed, "".join(report)
    return len(blocks)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_code_of_a_page(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(path)


def test_pages_have_code() -> None:
    assert run_page(ROOT / "docs" / "autograd.md") > 8


@pytest.mark.parametrize(
    "block",
    ["```pycon\n>>> 1 + 1\n3\n\n```\n", "```python\nassert 1 + 1 == 3\n```\n"],
)
def test_a_wrong_block_is_found(block: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{block}", "utf-8")
    with pytest.raises(AssertionError):
        run_page(page)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_local_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
