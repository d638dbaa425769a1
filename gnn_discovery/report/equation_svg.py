"""Set formulas in print: LaTeX becomes inline SVG that needs no font."""

from __future__ import annotations

import re


def _mathtext(latex: str) -> str:
    """Return LaTeX that matplotlib can set: cases are stacked behind a brace, small brackets stay small."""
    latex = re.sub(r"\\left\(([^\\()]*?) ?\\right\)", r"(\1)", latex)
    return re.sub(r"\\begin\{cases\}(.*?)\\end\{cases\}", _stack_cases, latex)


def _stack_cases(cases: re.Match[str]) -> str:
    rows = [row.strip().replace("&", r"\quad") for row in cases[1].split(r"\\")]
    if len(rows) == 2:
        return rf"\genfrac{{\{{}}{{.}}{{0}}{{0}}{{{rows[0]}}}{{{rows[1]}}}"
    return r"\left\{\substack{" + r"\\".join(rows) + r"}\right."


def equation_to_svg(latex: str, font_size: float = 100.0) -> str | None:
    """Return a piece of LaTeX as inline SVG in the colour and size of the text around it.

    Args:
        latex: the piece.
        font_size: size at which it is set, which fixes the resolution of the outlines.

    Returns:
        The SVG; None where the piece cannot be set.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    from matplotlib.textpath import TextToPath

    font, text = FontProperties(size=font_size, math_fontfamily="cm"), f"${_mathtext(latex)}$"
    try:
        width, height, depth, *_ = MathTextParser("path").parse(text, 72, font)
        vertices, codes = TextToPath().get_text_path(font, text, ismath=True)
    except ValueError:
        return None
    commands = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}
    path, previous = [], None
    for (x, y), code in zip(vertices, codes, strict=True):
        if code == 79:
            path.append("Z")
        else:
            command = commands[code] if code == 1 or code != previous else " "
            path.append(f"{command}{x:.0f} {-y:.0f}")
        previous = code
    box = f"0 {depth - height:.0f} {width:.0f} {height:.0f}"
    style = f"width:{width / font_size:.2f}em;vertical-align:{-depth / font_size:.2f}em"
    return f'<svg aria-hidden="true" viewBox="{box}" style="{style}"><path d="{"".join(path)}"/></svg>'
