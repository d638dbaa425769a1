"""Simpler laws next to a fitted one: round exponents, fewer constants and terms, other softenings.

Each law that these moves propose has to be refitted and to win on held-out data (`select`).
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial

import sympy

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.errors import DataError
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Constant, Term
from gnn_discovery.symbolic.expression import Expression


def complexity(law: ForceLaw, *, criteria: Criteria = DEFAULT_CRITERIA) -> int:
    """Return the complexity of a law in nodes.

    It is the sum over terms of one, the nodes of the expression, the number of constants, and
    ``selection.free_exponent_complexity`` for each constant that is an exponent.

    Args:
        law: the law.
        criteria: the criteria of the discovery.
    """
    return sum(
        1 + term.expression.complexity + len(term.constants) + _free_exponent_cost(term, criteria) for term in law.terms
    )


def _free_exponent_cost(term: Term, criteria: Criteria) -> int:
    return criteria.selection.free_exponent_complexity * len(exponent_names(term.expression) & set(term.constants))


def signature(law: ForceLaw) -> tuple[object, ...]:
    """Return a key that is equal for laws that differ only in the names and values of their constants."""
    return tuple(
        sorted(
            (t.kind, t.direction, _anonymised_text(t.expression.text, frozenset(t.constants)), t.centre or ())
            for t in law.terms
        )
    )


@lru_cache(maxsize=4096)
def _anonymised_text(text: str, constants: frozenset[str]) -> str:
    """Return the text of an expression with its constants numbered in the order in which they stand there."""
    order: dict[str, str] = {}

    def numbered(match: re.Match[str]) -> str:
        name = match.group()
        return order.setdefault(name, f"#{len(order)}") if name in constants else name

    return re.sub(r"\b[A-Za-z_]\w*\b", numbered, text)


def simplification_moves(law: ForceLaw, *, criteria: Criteria = DEFAULT_CRITERIA) -> Iterator[ForceLaw]:
    """Yield laws that differ from a fitted one by one move; the terms that the user stated stay.

    A move drops a term, a constant, a summand or a branch; rounds an exponent; puts one constant in the place of two;
    softens a force; or changes the form of its softening.

    Args:
        law: the fitted law.
        criteria: the criteria of the discovery.
    """
    for t, term in enumerate(law.terms):
        if term.known:
            continue
        if len(law.terms) > 1:
            yield replace(law, terms=law.terms[:t] + law.terms[t + 1 :])
        for make in _term_changes(term, criteria):
            with contextlib.suppress(DataError):  # a formula cannot hold every number
                changed = make()
                if changed is not None:
                    yield replace(law, terms=(*law.terms[:t], changed, *law.terms[t + 1 :]))


def _term_changes(term: Term, criteria: Criteria) -> Iterator[Callable[[], Term | None]]:
    """Yield functions that make a changed term, or None where there is nothing to change."""
    for name, constant in term.constants.items():
        for value in _proposed_values(term, name, constant, criteria):
            yield partial(_with_value, term, name, value)
    for shorter in (_drop_summand, _single_branches):
        for expression in shorter(term.expression):
            yield partial(_with_expression, term, expression)
    for expression in _equate_constants(term, criteria):
        yield partial(_with_expression, term, expression)
    for expression, constants in _alternative_softenings(term):
        yield partial(replace, term, expression=expression, constants=constants)
    yield partial(_soften, term)
    yield partial(_round_and_soften, term, criteria)


def _with_expression(term: Term, expression: Expression) -> Term:
    return merge_constants(replace(term, expression=expression, constants=_constants_in(term, expression)))


def _proposed_values(term: Term, name: str, constant: Constant, criteria: Criteria) -> list[float]:
    """Return numbers to try in the place of a constant.

    They are the half-integer near an exponent, or zero; and also plus or minus one where the data do not determine the
    constant (it has no error bar), as they do not with one of two factors.
    """
    limits = criteria.selection
    if name in exponent_names(term.expression):
        half = round(2 * constant.value) / 2
        error = limits.round_exponent_n_sigma * (constant.std or 0.0)
        near = abs(constant.value - half) <= max(error, limits.round_exponent_tolerance)
        return [half] if near else []
    return [0.0, 1.0 if constant.value > 0 else -1.0] if constant.std is None else [0.0]


def _with_value(term: Term, name: str, value: float) -> Term | None:
    expression = term.expression.substitute({name: value})
    return _merge_exponents(_with_expression(term, expression)) if expression.names else None


def _constants_in(term: Term, expression: Expression) -> dict[str, Constant]:
    """Return the constants of the term that stand in the expression."""
    return {name: c for name, c in term.constants.items() if name in expression.names}


def merge_constants(term: Term) -> Term:
    """Return the term with one constant in the place of each part without variables: one for ``a/b`` in ``a/b*r``."""
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
    """Return the term with the exponents of one base made into one: ``r**a/r**7`` is a power of r."""
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
    """Return the same pair force of r + s, where r stands in the denominator or under a free exponent."""
    if term.kind != "pair" or not _is_singular(term.expression):
        return None
    name = next(f"c{k}" for k in range(len(term.constants) + 1) if f"c{k}" not in term.constants)
    expression = term.expression.substitute({"r": Expression.parse(f"r + {name}")})
    return replace(term, expression=expression, constants={**term.constants, name: Constant(0.0)})


def _round_and_soften(term: Term, criteria: Criteria) -> Term | None:
    """Return the softened force with exponents rounded to half-integers.

    Over a limited range 1/(r + s) looks like a power near a round one, such as r**-0.99.
    """
    tolerance = criteria.selection.softened_exponent_tolerance
    free = exponent_names(term.expression) & set(term.constants)
    round_ = {name: round(2 * term.constants[name].value) / 2 for name in free}
    near = {
        name: value for name, value in round_.items() if value and abs(term.constants[name].value - value) < tolerance
    }
    return _soften(_with_expression(term, term.expression.substitute(near))) if near else None


def _alternative_softenings(term: Term) -> Iterator[tuple[Expression, dict[str, Constant]]]:
    """Yield the term with r + c in the place of r**2 + c in a denominator, and the other way round.

    Over a limited range one looks like the other.
    """
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
    """Return the expression without one summand, for each summand that is more than a number."""
    tree, found = expression.sympy, []
    for total in tree.atoms(sympy.Add):
        for part in total.args:
            if not part.is_Number:
                with contextlib.suppress(DataError):
                    found.append(Expression.from_sympy(tree.xreplace({total: total - part})))
    return tuple(e for e in found if e.names)


@lru_cache(maxsize=1024)
def _single_branches(expression: Expression) -> tuple[Expression, ...]:
    """Return the expression with one branch of a Piecewise in the place of the whole, for each branch."""
    tree = expression.sympy
    pieces = [(whole, branch) for whole in tree.atoms(sympy.Piecewise) for branch, _ in whole.args]
    found = [Expression.from_sympy(tree.xreplace({whole: branch})) for whole, branch in pieces]
    return tuple(e for e in found if e.names)


def _equate_constants(term: Term, criteria: Criteria) -> tuple[Expression, ...]:
    """Return the expression with one constant in the place of two of equal value, for each such pair.

    An exponent is compared with exponents only.
    """
    tolerance = criteria.selection.equal_constants_tolerance
    powers = exponent_names(term.expression)
    pairs = [p for p in itertools.combinations(sorted(term.constants), 2) if len(powers & set(p)) != 1]
    values = {name: c.value for name, c in term.constants.items()}
    alike = [(a, b) for a, b in pairs if abs(values[a] - values[b]) <= tolerance * (abs(values[a]) + abs(values[b]))]
    return tuple(term.expression.substitute({b: Expression.parse(a)}) for a, b in alike)


@lru_cache(maxsize=1024)
def _is_singular(expression: Expression) -> bool:
    r = sympy.Symbol("r")
    return any(p.base == r and not p.exp.is_positive for p in expression.sympy.atoms(sympy.Pow))


@lru_cache(maxsize=1024)
def exponent_names(expression: Expression) -> frozenset[str]:
    """Return the names that stand alone as exponents, up to a sign."""
    powers = (p.exp for p in expression.sympy.atoms(sympy.Pow))
    alone = (e.as_coeff_Mul()[1] for e in powers)
    return frozenset(e.name for e in alone if e.is_Symbol)
