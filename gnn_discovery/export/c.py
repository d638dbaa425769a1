"""A C99 file with one function of arrays of doubles, for n particles in dim dimensions."""

from __future__ import annotations

from gnn_discovery.export.array_function import ARRAY_FUNCTION_NAMES
from gnn_discovery.export.base import DistanceRange, file_header, required_properties
from gnn_discovery.export.number_printers import c_source
from gnn_discovery.export.term_groups import COORDINATE_AXES, TermGroup, numeric_expression, term_groups, vector_name
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Term

_ARRAYS = (
    "Arrays of particles are row by row, (n, dim); of properties (n). All pairs interact, in open space. "
    "dim has to be 2 for a transverse term, and to hold every axis that the law names."
)
_STEPS = {
    "r": "const double r = sqrt(dot(separation, separation));",
    "unit": "const double unit[3] = {separation[0] / r, separation[1] / r, separation[2] / r};",
    "v": "const double v = sqrt(dot(motion, motion));",
    "v_r": "const double v_r = dot(unit, motion);",
} | {axis: f"const double {axis} = positions[i * dim + {k}];" for k, axis in enumerate(COORDINATE_AXES)}
_DOT = """static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}"""


def write_c(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the text of a C99 file; see `base.ExportFormat`."""
    needed = sorted({*required_properties(law.terms), *(["m"] if law.divides_by_mass else [])})
    arguments = ["int n", "int dim", "const double *positions", "const double *velocities"]
    arguments += [*(f"const double *p_{name}" for name in needed), "double *result"]
    body = ["for (int k = 0; k < n * dim; k++)", "    result[k] = 0.0;"]
    for group in term_groups(law):
        body += _loop_lines(group)
    if law.divides_by_mass:
        body += ["for (int k = 0; k < n * dim; k++)", "    result[k] /= p_m[k / dim];"]
    inferred = [
        f"const double inferred_{name}[{len(latent.values)}] = {{{', '.join(repr(float(v)) for v in latent.values)}}};"
        for name, latent in law.latent.items()
    ]
    return "\n".join(
        [
            f"/*\n{file_header(law, _ARRAYS, prefix=' * ')}\n */\n",
            "#include <math.h>\n",
            *inferred,
            *([f"{_DOT}\n"] if any("dot(" in line for line in body) else []),
            f"void {ARRAY_FUNCTION_NAMES[law.order]}({', '.join(arguments)})\n{{",
            *(f"    {line}" for line in body),
            "}\n",
        ]
    )


def _loop_lines(group: TermGroup) -> list[str]:
    """Return the lines of the loop over pairs, or over particles."""
    steps, between, centre = group.steps, "", ""
    if group.pair:
        between = " - {0}[j * dim + k]"
    elif group.centre is not None and "separation" in steps:
        centre = " - centre[k]"
    inside = []
    if "separation" in steps:
        inside += _vector_lines("separation", "positions", between.format("positions") + centre)
    if "motion" in steps:
        inside += _vector_lines("motion", "velocities", between.format("velocities"))
    inside += [_STEPS[name] for name in steps if name in _STEPS]
    inside += [f"const double {name} = p_{name[:-2]}[{name[-1]}];" for name in group.property_names]
    for term in group.terms:
        inside += _force_lines(term)
    lines = ["for (int i = 0; i < n; i++) {"]
    if centre:
        lines = [f"const double centre[] = {{{', '.join(map(repr, group.centre or ()))}}};", *lines]
    if group.pair:
        lines[-1:] = ["for (int i = 0; i < n; i++)", "for (int j = 0; j < n; j++) {", "    if (i == j)"]
        lines.append("        continue;")
    return ["{", *(f"    {line}" for line in [*lines, *(f"    {line}" for line in inside), "}"]), "}"]


def _vector_lines(name: str, array: str, less: str) -> list[str]:
    return [
        f"double {name}[3] = {{0}};",
        "for (int k = 0; k < dim; k++)",
        f"    {name}[k] = {array}[i * dim + k]{less};",
    ]


def _force_lines(term: Term) -> list[str]:
    size, arrow = c_source(numeric_expression(term)), vector_name(term)
    if term.direction in COORDINATE_AXES:
        return [f"result[i * dim + {COORDINATE_AXES.index(term.direction)}] += {size};"]
    if term.direction == "transverse":
        return [
            "{",
            f"    const double size = {size};",
            f"    result[i * dim] -= size * {arrow}[1];",
            f"    result[i * dim + 1] += size * {arrow}[0];",
            "}",
        ]
    return [
        "{",
        f"    const double size = {size};",
        "    for (int k = 0; k < dim; k++)",
        f"        result[i * dim + k] += size * {arrow}[k];",
        "}",
    ]
