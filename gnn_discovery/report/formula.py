"""A law in print: its equation of motion as mathtext, and mathtext as inline SVG that needs no font and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnn_discovery.law.text import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gnn_discovery.law.record import Constant, ForceLaw, Term

_SIZE = 100.0
_DIRECTIONS = {
    ("pair", "radial"): r"\hat{\mathbf{r}}_{ij}",
    ("pair", "transverse"): r"\hat{\mathbf{z}}\times\hat{\mathbf{r}}_{ij}",
    ("pair", "velocity"): r"(\mathbf{v}_i-\mathbf{v}_j)",
    ("self", "velocity"): r"\mathbf{v}_i",
    ("self", "transverse"): r"\hat{\mathbf{z}}\times\mathbf{v}_i",
    ("external", "radial"): r"\hat{\mathbf{r}}_{i}",
    ("external", "transverse"): r"\hat{\mathbf{z}}\times\hat{\mathbf{r}}_{i}",
}


def left_side(law: ForceLaw) -> str:
    """``m a``, ``a`` or ``v`` of particle i, in mathtext."""
    motion = r"\mathbf{a}_i" if law.order == 2 else r"\mathbf{v}_i"
    return rf"m_i\,{motion}" if law.divides_by_mass else motion


def pieces(law: ForceLaw, *, numeric: bool = True) -> tuple[str, ...]:
    """The equation in pieces between which a line may break: the left side, then one a term.

    With ``numeric`` the constants stand as numbers with their errors, ``1.00000(2)``, else under their names.
    """
    found = [left_side(law)]
    for position, term in enumerate(law.terms):
        sign, body = _term(term, numeric)
        if position == 0:
            found[0] += " =" if sign == "+" else " = -"
            found.append(body)
        else:
            found.append(rf"{sign}\,{body}")
    if not law.terms:
        found[0] += " = 0"
    return tuple(found)


def latex(law: ForceLaw) -> str:
    """The equation of motion in LaTeX (amsmath)."""
    return " ".join(pieces(law))


def _term(term: Term, numeric: bool) -> tuple[str, str]:
    scalar = scalar_latex(term, numeric)
    sign = "-" if scalar.startswith("-") else "+"
    scalar = scalar.removeprefix("-").strip()
    unit = _DIRECTIONS.get((term.kind, term.direction), rf"\hat{{\mathbf{{{term.direction}}}}}")
    operator = r"\sum_{j\neq i}\," if term.kind == "pair" else ""
    return sign, rf"{operator}{scalar}\;{unit}"


def scalar_latex(term: Term, numeric: bool = True) -> str:
    """The scalar of one term in mathtext, bracketed where it is a sum."""
    import sympy

    expression, names = term.expression.sympy, {}
    if numeric:
        for name, constant in term.constants.items():
            symbol = sympy.Symbol(name)
            shown = sympy.Symbol(name, positive=True)
            expression = expression.subs(symbol, -shown if constant.value < 0 else shown)
            names[shown] = _number(constant)
    text = _printer(names).doprint(expression)
    return rf"\left({text}\right)" if expression.is_Add else text


def _number(constant: Constant) -> str:
    mantissa, _, exponent = number(constant).partition("e")
    return rf"{mantissa}\!\cdot\!10^{{{int(exponent)}}}" if exponent else mantissa


def _printer(names: Mapping[object, str]):
    from sympy.printing.latex import LatexPrinter

    class Mathtext(LatexPrinter):
        """LaTeX of the part that matplotlib sets: cases are stacked behind one brace."""

        def _print_Piecewise(self, expr) -> str:
            rows = [
                rf"{self._print(value)}\quad "
                + (r"\text{otherwise}" if condition == True else rf"\text{{for}}\;{self._print(condition)}")  # noqa: E712
                for value, condition in expr.args
            ]
            return r"\left\{\substack{" + r"\\".join(rows) + r"}\right."

    return Mathtext({"symbol_names": dict(names), "mul_symbol": None})


def svg(mathtext: str) -> str | None:
    """One piece as inline SVG in the colour and size of the text around it; None where it cannot be set."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    from matplotlib.textpath import TextToPath

    font = FontProperties(size=_SIZE, math_fontfamily="cm")
    try:
        width, height, depth, *_ = MathTextParser("path").parse(f"${mathtext}$", 72, font)
        vertices, codes = TextToPath().get_text_path(font, f"${mathtext}$", ismath=True)
    except ValueError:
        return None
    letters = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}
    path, previous = [], None
    for (x, y), code in zip(vertices, codes, strict=True):
        if code == 79:
            path.append("Z")
        else:
            letter = letters[code] if code == 1 or code != previous else " "
            path.append(f"{letter}{x:.0f} {-y:.0f}")
        previous = code
    box = f"0 {depth - height:.0f} {width:.0f} {height:.0f}"
    style = f"width:{width / _SIZE:.2f}em;vertical-align:{-depth / _SIZE:.2f}em"
    return f'<svg aria-hidden="true" viewBox="{box}" style="{style}"><path d="{"".join(path)}"/></svg>'
