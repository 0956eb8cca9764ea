"""The picture in the README: the real failure report of its example, drawn as SVG.

Character cells are placed one run at a time and stretched to their width, so that columns line up in every font.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from tests.docs.pages import GUIDE, README, Page, blocks

PICTURE = GUIDE / "images" / "failure.svg"
CLAIM = ".succeeded().attempts(2)"
WRONG = ".succeeded().attempts(1)"
_CELL, _LINE, _MARGIN, _TOP = 8.0, 18, 18, 48
_COLOURS = (
    (r"^Expected: .*", "#7ee787"),
    (r"^     but: .*", "#ff7b72"),
    (r"^If that is right, write .*", "#d2a8ff"),
    (r"^(Operations of|Timeline from) .*|^AssertionError.*", "#ffffff"),
    (r"✗", "#ff7b72"),
    (r"●|SUCCEEDED", "#7ee787"),
    (r"╌+|├?─{3,}|-{3,}", "#8b949e"),
)
"""What a run of text looks like, and its colour; the first that fits."""
_RUN = re.compile("|".join(f"(?P<c{number}>{pattern})" for number, (pattern, _) in enumerate(_COLOURS)))


def report() -> str:
    """The message that the README's example fails with if it claims one attempt too few, without the log."""
    first = next(block for block in blocks(README.read_text(encoding="utf-8")) if block.language == "python")
    assert CLAIM in first.code
    with tempfile.TemporaryDirectory() as folder:
        page = Page(README, Path(folder))
        with page.importable():
            printed = page.run(type(first)("python", first.code.replace(CLAIM, WRONG), first.line))
    return printed[printed.index("AssertionError: ") : printed.index("\n\nLog of ")]


def svg(text: str) -> str:
    """The text in a terminal's window."""
    lines = text.splitlines()
    width = round(max(map(len, lines)) * _CELL + 2 * _MARGIN)
    height = _TOP + len(lines) * _LINE + _MARGIN - 8
    dots = "".join(
        f'<circle cx="{20 + 18 * number}" cy="17" r="5.5" fill="{colour}"/>'
        for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    drawn = [run for number, line in enumerate(lines) for run in _runs(line, _TOP + number * _LINE)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="A failure report of durabletest">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>{dots}',
            "<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" "
            'font-size="13" xml:space="preserve">',
            *drawn,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _runs(line: str, y: int) -> list[str]:
    """The words of a line, each at its column: spaces are not drawn, so that no renderer can lose them."""
    found = []
    for colour, start, part in _coloured(line):
        for word in re.finditer(r"\S+(?: \S+)*", part):
            x, length = _MARGIN + (start + word.start()) * _CELL, len(word[0]) * _CELL
            found.append(
                f'<text x="{x:g}" y="{y}" fill="{colour}" textLength="{length:g}" lengthAdjust="spacingAndGlyphs">'
                f"{escape(word[0])}</text>"
            )
    return found


def _coloured(line: str) -> list[tuple[str, int, str]]:
    """The parts of a line: colour, first column, text."""
    parts, end = [], 0
    for match in _RUN.finditer(line):
        assert match.lastgroup is not None
        parts.append(("#c9d1d9", end, line[end : match.start()]))
        parts.append((_COLOURS[int(match.lastgroup[1:])][1], match.start(), match[0]))
        end = match.end()
    return [*parts, ("#c9d1d9", end, line[end:])]
