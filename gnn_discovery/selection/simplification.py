"""Simpler laws next to a fitted one: round exponents, no idle constants and terms."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial

import sympy

from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.symbolic.expression import Expression

EQUAL_CONSTANTS_TOLERANCE = 1e-3
SOFTENED_EXPONENT_TOLERANCE = 0.2
"""How far from a round exponent a softened force may seem to be."""
FREE_EXPONENT_COMPLEXITY = 4
"""What an exponent that is no round number costs, in nodes: as much as a further length in the law would."""


def complexity(law: ForceLaw) -> int:
    """Nodes of all expressions, one more for each term and for each constant that had to be fitted, and
    `FREE_EXPONENT_COMPLEXITY` for each exponent among these."""
    return sum(1 + term.expression.complexity + len(term.constants) + _free_exponent_cost(term) for term in law.terms)


def _free_exponent_cost(term: Term) -> int:
    return FREE_EXPONENT_COMPLEXITY * len(exponent_names(term.expression) & set(term.constants))


def signature(law: ForceLaw) -> tuple:
    """Equal for laws that differ only in the names and values of their constants."""
    return tuple(sorted((t.kind, t.direction, _anonymised_text(t), t.centre or ()) for t in law.terms))


def _anonymised_text(term: Term) -> str:
    """The text of the expression, its constants numbered in the order in which they stand there."""
    order: dict[str, str] = {}
    return re.sub(
        r"\b[A-Za-z_]\w*\b",
        lambda found: (
            order.setdefault(found.group(), f"#{len(order)}") if found.group() in term.constants else found.group()
        ),
        term.expression.text,
    )


def simplification_moves(law: ForceLaw) -> Iterator[ForceLaw]:
    """Laws with one thing less (a term, a constant, a summand, a branch), and the law softened, or softened otherwise;
    given terms stay.

    Each has to be refitted and to win on held-out data.
    """
    for t, term in enumerate(law.terms):
        if term.known:
            continue
        if len(law.terms) > 1:
            yield replace(law, terms=law.terms[:t] + law.terms[t + 1 :])
        for make in _term_changes(term):
            with contextlib.suppress(DataError):  # what has a number in it that no formula may hold
                changed = make()
                if changed is not None:
                    yield replace(law, terms=(*law.terms[:t], changed, *law.terms[t + 1 :]))


def _term_changes(term: Term) -> Iterator[Callable[[], Term | None]]:
    """How to make each changed term; None where there is nothing to change."""
    for name, constant in term.constants.items():
        for value in _proposed_values(term, name, constant):
            yield partial(_with_value, term, name, value)
    for shorter in (_drop_summand, _single_branches):
        for expression in shorter(term.expression):
            yield partial(_with_expression, term, expression)
    for expression in _equate_constants(term):
        yield partial(_with_expression, term, expression)
    for expression, constants in _alternative_softenings(term):
        yield partial(replace, term, expression=expression, constants=constants)
    yield partial(_soften, term)
    yield partial(_round_and_soften, term)


def _with_expression(term: Term, expression: Expression) -> Term:
    return merge_constants(replace(term, expression=expression, constants=_constants_in(term, expression)))


def _proposed_values(term: Term, name: str, constant: Constant) -> list[float]:
    """Numbers to try in the place of a constant: a half-integer for an exponent near it; zero; one where the
    data leave the constant open (it has no error bar), as they do with one of two factors."""
    if name in exponent_names(term.expression):
        half = round(2 * constant.value) / 2
        near = abs(constant.value - half) <= max(3 * (constant.std or 0.0), EQUAL_CONSTANTS_TOLERANCE)
        return [half] if near else []
    return [0.0, 1.0 if constant.value > 0 else -1.0] if constant.std is None else [0.0]


def _with_value(term: Term, name: str, value: float) -> Term | None:
    expression = term.expression.substitute({name: value})
    return _merge_exponents(_with_expression(term, expression)) if expression.names else None


def _constants_in(term: Term, expression: Expression) -> dict[str, Constant]:
    """The constants of the term that stand in the expression."""
    return {name: c for name, c in term.constants.items() if name in expression.names}


def merge_constants(term: Term) -> Term:
    """The term with each part that holds constants alone made into one: ``a/b*r`` has one constant, not two."""
    values = {sympy.Symbol(name): constant.value for name, constant in term.constants.items()}
    made: dict[sympy.Expr, str] = {}

    def one(part: sympy.Expr) -> sympy.Expr:
        value = part.subs(values)
        if part.is_Symbol or not part.free_symbols or not (value.is_real and value.is_finite):
            return part
        if part not in made:
            name = min(symbol.name for symbol in part.free_symbols) + "_"
            while name in term.expression.names or name in made.values():
                name += "_"
            made[part] = name
        return sympy.Symbol(made[part])

    def walk(part: sympy.Basic) -> sympy.Basic:
        variables = part.free_symbols - values.keys()
        if part.is_Symbol or variables == part.free_symbols:
            return part
        if not variables and isinstance(part, sympy.Expr):  # not a branch of a Piecewise
            return one(part)
        if part.is_Add or part.is_Mul:
            alone, rest = part.as_independent(*variables)
            return part.func(one(alone), *map(walk, part.func.make_args(rest)))
        return part.func(*map(walk, part.args))

    tree = walk(term.expression.sympy)
    if not made:
        return term
    constants = {name: Constant(float(part.subs(values))) for part, name in made.items()}
    expression = Expression.from_sympy(tree)
    return replace(term, expression=expression, constants={**_constants_in(term, expression), **constants})


def _merge_exponents(term: Term) -> Term:
    """The term with exponents of one base made into one: ``r**a/r**7`` is a power of r."""
    free = exponent_names(term.expression) & set(term.constants)
    if not free:
        return term
    merged = term.expression.substitute({name: term.constants[name].value for name in free})
    if merged.complexity >= term.expression.complexity:
        return term
    expression, values = merged.lift_constants(f"{min(free)}_")
    fresh = {name: Constant(v) for name, v in values.items()}
    return replace(term, expression=expression, constants={**_constants_in(term, expression), **fresh})


def _soften(term: Term) -> Term | None:
    """The same pair force of r + s, where r stands in the denominator or under a free exponent."""
    if term.kind != "pair" or not _is_singular(term.expression):
        return None
    name = next(f"c{k}" for k in range(len(term.constants) + 1) if f"c{k}" not in term.constants)
    expression = term.expression.substitute({"r": Expression.parse(f"r + {name}")})
    return replace(term, expression=expression, constants={**term.constants, name: Constant(0.0)})


def _round_and_soften(term: Term) -> Term | None:
    """The same with the exponents near it at half-integers: over a limited range 1/(r + s) looks like r**-0.99."""
    free = exponent_names(term.expression) & set(term.constants)
    round_ = {name: round(2 * term.constants[name].value) / 2 for name in free}
    near = {
        name: value
        for name, value in round_.items()
        if value and abs(term.constants[name].value - value) < SOFTENED_EXPONENT_TOLERANCE
    }
    return _soften(_with_expression(term, term.expression.substitute(near))) if near else None


def _alternative_softenings(term: Term) -> Iterator[tuple[Expression, dict[str, Constant]]]:
    """The term with r + c in the place of r**2 + c in a denominator, and the other way round: over a limited range one
    looks like the other."""
    r = sympy.Symbol("r")
    for power in term.expression.sympy.atoms(sympy.Pow):
        if not (power.base.is_Add and len(power.base.args) == 2 and power.exp.is_Number and power.exp.is_negative):
            continue
        names = [part.name for part in power.base.args if part.is_Symbol and part.name in term.constants]
        for name in names:
            other, value = power.base - sympy.Symbol(name), term.constants[name].value
            if other not in (r, r**2):
                continue
            linear = other == r
            c, exponent = sympy.Symbol(name), power.exp / 2 if linear else 2 * power.exp
            changed = ((r**2 if linear else r) + c) ** exponent
            expression = Expression.from_sympy(term.expression.sympy.xreplace({power: changed}))
            yield expression, {**term.constants, name: Constant(value**2 if linear else abs(value) ** 0.5)}


@lru_cache(maxsize=1024)
def _drop_summand(expression: Expression) -> tuple[Expression, ...]:
    """The expression with one summand less, for each summand that is more than a number."""
    tree, found = expression.sympy, []
    for total in tree.atoms(sympy.Add):
        for part in total.args:
            if not part.is_Number:
                with contextlib.suppress(DataError):
                    found.append(Expression.from_sympy(tree.xreplace({total: total - part})))
    return tuple(e for e in found if e.names)


@lru_cache(maxsize=1024)
def _single_branches(expression: Expression) -> tuple[Expression, ...]:
    """The expression with one branch of a Piecewise in the place of the whole of it."""
    tree = expression.sympy
    pieces = [(whole, branch) for whole in tree.atoms(sympy.Piecewise) for branch, _ in whole.args]
    found = [Expression.from_sympy(tree.xreplace({whole: branch})) for whole, branch in pieces]
    return tuple(e for e in found if e.names)


def _equate_constants(term: Term) -> tuple[Expression, ...]:
    """The expression with one constant in the place of two that came out alike; an exponent is like exponents only."""
    powers = exponent_names(term.expression)
    pairs = [p for p in itertools.combinations(sorted(term.constants), 2) if len(powers & set(p)) != 1]
    values = {name: c.value for name, c in term.constants.items()}
    alike = [
        (a, b)
        for a, b in pairs
        if abs(values[a] - values[b]) <= EQUAL_CONSTANTS_TOLERANCE * (abs(values[a]) + abs(values[b]))
    ]
    return tuple(term.expression.substitute({b: Expression.parse(a)}) for a, b in alike)


@lru_cache(maxsize=1024)
def _is_singular(expression: Expression) -> bool:
    r = sympy.Symbol("r")
    return any(p.base == r and not p.exp.is_positive for p in expression.sympy.atoms(sympy.Pow))


@lru_cache(maxsize=1024)
def exponent_names(expression: Expression) -> frozenset[str]:
    """Names that stand alone as exponents, up to sign."""
    powers = (p.exp for p in expression.sympy.atoms(sympy.Pow))
    alone = (e.as_coeff_Mul()[1] for e in powers)
    return frozenset(e.name for e in alone if e.is_Symbol)
