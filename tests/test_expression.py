"""Expressions: text and trees mean the same numbers, and nothing else is let in."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn_discovery.errors import DataError
from gnn_discovery.symbolic.expression import Expression

X = np.array([0.3, 0.9, 1.7, 2.6])

FORMULAS = [
    "-2.0*(r - 0.99)",
    "-m_i*m_j/(r**2 + 0.1)**1.5",
    "exp(-r/2)/r**2 + r/3",
    "2*(1 - exp(-1.5*(r - 1)))*exp(-1.5*(r - 1))",
    "12/r**13 - 6/r**7",
    "Piecewise((1/r, r < 2), (0, True))",
    "Piecewise((r, 1 < r < 2), (-r, r >= 2 or m_i == 3), (0.5, True))",
    "-0.5*Abs(v)*v",
    "sqrt(2*r) + log(r)*tanh(r) - sin(r)*cosh(r)",
    "x - (y - z) - 2*(y - z)",
    "r**1.98*2**r + r**(1/3)",
    "(x**y)**z + x**y**z + (-x)**2",
]

numbers = st.floats(0.05, 40).map(repr) | st.integers(1, 9).map(str)
formulas = st.recursive(
    numbers | st.sampled_from(["r", "m_j", "c0"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
        | st.tuples(inner, st.sampled_from([-2, -1, 2, 0.5, 1.37])).map(lambda p: f"Abs({p[0]})**{p[1]}")
        | inner.map(lambda x: f"exp(-Abs({x})/9)")
        | inner.map(lambda x: f"(-{x})")
        | st.tuples(inner, inner).map(lambda p: f"Piecewise(({p[0]}, {p[1]} < 1.5), ({p[1]}, True))")
    ),
    max_leaves=8,
)


def value(text, **variables):
    """Plain Python's value of our own test text, as the independent reference."""
    table = {name: getattr(np, name) for name in ("sqrt", "exp", "log", "sin", "tanh", "cosh")}

    def piecewise(*cases):
        return np.select([np.broadcast_to(c, X.shape) for _, c in cases], [e + 0 * X for e, _ in cases])

    with np.errstate(all="ignore"):
        return eval(text, {"__builtins__": {}}, {**table, "Abs": abs, "Piecewise": piecewise, **variables})


@pytest.mark.parametrize("text", [text for text in FORMULAS if "1 <" not in text])
def test_text_tree_and_function_agree(text):
    expression = Expression.parse(text)
    variables = dict(zip(["m_i", "m_j", "r", "v", "x", "y", "z"], (X + k for k in range(7)), strict=True))
    names = sorted(variables)
    want = value(text, **variables)
    for again in (expression, Expression.parse(expression.text), Expression.from_sympy(expression.sympy)):
        assert again == expression
        np.testing.assert_allclose(again.numpy(names)(*[variables[n] for n in names]), want, rtol=1e-13)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(formulas)
def test_canonical_form_keeps_the_value_and_reads_back_to_itself(text):
    try:
        expression = Expression.parse(text)
    except DataError:  # the formula divides by zero or leaves the real numbers everywhere
        return
    assert Expression.parse(expression.text) == expression
    variables = {"r": X, "m_j": X + 1, "c0": X[::-1]}
    want = np.asarray(value(text, **variables) + 0 * X)
    got = expression.numpy(["r", "m_j", "c0"])(*variables.values())
    scale = 1 + np.abs(want)
    ok = np.isfinite(want) & (np.abs(want) < 1e6)
    np.testing.assert_allclose(got[ok] / scale[ok], want[ok] / scale[ok], atol=1e-6)
    skeleton, constants = expression.lift_constants("k")
    back = skeleton.numpy(["r", "m_j", "c0", *constants])(*variables.values(), *constants.values())
    np.testing.assert_allclose(back[ok] / scale[ok], want[ok] / scale[ok], atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/(r + 0.01)**2", "(0.01 + r)**-2"),
        ("3.0*m_j*0.5/(2*r)", "0.75*m_j/r"),
        ("r*r*r/r", "r**2"),
        ("-(x - y)*z", "-1*(x - y)*z"),
        ("exp(2*log(r))", "r**2"),
        ("2.0*r", "2*r"),
        ("x - (y - z)", "z + x - y"),
        ("sqrt(r)**3", "r**1.5"),
    ],
)
def test_equal_formulas_have_equal_text(one, other):
    assert Expression.parse(one) == Expression.parse(other)
    assert hash(Expression.parse(one)) == hash(Expression.parse(other))


def test_floats_survive_bit_for_bit():
    text = Expression.parse("0.1234567890123456789*r + 1e-300*x + 6.02214076e23*y").text
    assert "0.12345678901234568*r" in text and "1e-300*x" in text and "6.02214076e+23*y" in text


@pytest.mark.parametrize(
    ("text", "skeleton", "constants"),
    [
        ("-2.0*(r - 0.99)", "c0*(r + c1)", {"c0": -2.0, "c1": -0.99}),
        ("1.98 - 2*r", "c0*(r + c1)", {"c0": -2.0, "c1": -0.99}),
        ("3.0*m_j*0.5/(2*r)", "c0*m_j/r", {"c0": 0.75}),
        ("1/(r + 0.01)**2", "1/(r + c0)**2", {"c0": 0.01}),
        ("0.3*r**-1.98", "c0*r**c1", {"c0": 0.3, "c1": -1.98}),
        ("12*(1/r**13 - 0.5/r**7)", "c0/r**13 + c1/r**7", {"c0": 12.0, "c1": -6.0}),
        ("3*(2*r + 0.5)**2", "c0*(r + c1)**2", {"c0": 12.0, "c1": 0.25}),
        ("5*exp(0.0 - r/2)*(1 + r)", "c0*exp(c1*r)*(r + 1)", {"c0": 5.0, "c1": -0.5}),
        ("x - 2*(y - z)", "c0*(y - z) + x", {"c0": -2.0}),
        ("m_i*m_j/r**2", "m_i*m_j/r**2", {}),
        ("Piecewise((1/r, r < 2), (0, True))", "Piecewise((1/r, r < c0), (0, True))", {"c0": 2.0}),
        ("1.1234567891*x + 1.1234567891*y", "c0*x + c0*y", {"c0": 1.1234567891}),
    ],
)
def test_each_independent_number_becomes_one_constant(text, skeleton, constants):
    found, values = Expression.parse(text).lift_constants()
    assert found == Expression.parse(skeleton)
    assert values == pytest.approx(constants, rel=1e-14)


def test_lifting_leaves_names_alone_and_can_free_integer_exponents():
    skeleton, values = Expression.parse("c0*r**-2 + 0.3").lift_constants(keep_integer_exponents=False)
    assert skeleton == Expression.parse("c0*r**c1 + c2")
    assert values == {"c1": -2.0, "c2": 0.3}


@pytest.mark.parametrize("text", FORMULAS)
def test_derivative_is_the_slope(text):
    expression = Expression.parse(text)
    names, step = sorted(expression.names), 1e-5
    at = [X + 0.123 * k for k in range(len(names))]
    function = expression.numpy(names)
    for k, name in enumerate(names):
        up, down = ([*at[:k], at[k] + s * step, *at[k + 1 :]] for s in (1, -1))
        slope = (function(*up) - function(*down)) / (2 * step)
        np.testing.assert_allclose(expression.derivative(name).numpy(names)(*at), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_joint_function_says_what_each_says(text):
    expression = Expression.parse(text)
    names = sorted(expression.names)
    at = [X + 0.123 * k for k in range(len(names))]
    parts = [expression, *(expression.derivative(name) for name in names), Expression.parse("2")]
    values = Expression.joint_numpy(parts, names)(*at)
    assert values[-1].shape == ()
    for part, value in zip(parts, values, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(value, X.shape), part.numpy(names)(*at))


def test_functions_broadcast_and_never_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        constant = Expression.parse("3").numpy(["r"])(X)
        branch = Expression.parse("Piecewise((log(r - 1), r > 1), (0, True))").numpy(["r"])(X)
        outer = Expression.parse("a/r").numpy(["r", "a"])(X[:, None], np.zeros((1, 3)))
        beyond = Expression.parse("log(r)").numpy(["r"])(-1.0)
    assert constant.shape == X.shape and (constant == 3).all()
    np.testing.assert_array_equal(branch[:2], 0.0)
    assert outer.shape == (4, 3) and np.isnan(beyond)
    copied = Expression.parse("r").numpy(["r"])(X)
    copied += 1
    assert X[0] == 0.3


def test_jax_function_and_its_gradient_agree_with_numpy():
    import jax

    expression = Expression.parse("-m_j*Piecewise((1/(r + 0.01)**2, r < 2), (exp(-r), True))")
    with jax.enable_x64(True):
        function = expression.jax(["r", "m_j"])
        got = jax.jit(function)(X, 2.0)
        slope = jax.vmap(jax.grad(function), (0, None))(X, 2.0)
    np.testing.assert_allclose(got, expression.numpy(["r", "m_j"])(X, 2.0), rtol=1e-14)
    np.testing.assert_allclose(slope, expression.derivative("r").numpy(["r", "m_j"])(X, 2.0), rtol=1e-13)


def test_substitute_is_simultaneous_and_keeps_brackets():
    law = Expression.parse("c0*(r + c1)")
    assert law.substitute({"c0": -2, "c1": -0.99}).text == "-2*(r - 0.99)"
    swapped = Expression.parse("x - 2*y").substitute({"x": Expression.parse("y"), "y": Expression.parse("x")})
    assert swapped == Expression.parse("y - 2*x")


def test_complexity_counts_parts():
    parts = {"r": 1, "-2*(r - 0.99)": 5, "1/r**2": 5, "exp(-r)": 2, "m_i*m_j/r": 5}
    assert {text: Expression.parse(text).complexity for text in parts} == parts
    assert Expression.parse("c0*m_i/r").names == {"c0", "m_i", "r"}
    assert sympy.sympify(0) == Expression.parse("x - x").sympy
    assert Expression.parse("m_i/r**2").latex == r"\frac{m_{i}}{r^{2}}"


REFUSED = [
    *["__import__('os').system('true')", "r.real", "r[0]", "lambda: 1", "[r]", "r if r else 1", "(r := 1)"],
    *["f(r)", "exp(r, r)", "exp(r, base=2)", "exp", "exp + 1", "True", "'r'", "1j", "r < 1", "r % 2", "~r"],
    *["r // 2", "not r", "", "((((", "r\x00", "é", "1/0", "0**-1", "log(0)", "sqrt(-1)", "(-8)**(1/3)"],
    *["1e999*r", "exp(1000)", "9**9**9", "r**99999"],
    *["Piecewise((1, r > 0))", "Piecewise(1, 2)", "Piecewise()"],
    *["-" * 3000 + "r", "(" * 5000, "r" + "+r" * 3000, "1" * 5000, "exp(" * 100 + "r" + ")" * 100],
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(DataError, match="not a formula"):
        Expression.parse(text)


def test_sympy_trees_beyond_the_language_are_refused():
    r = sympy.Symbol("r")
    for tree in (sympy.gamma(r), sympy.I * r, sympy.zoo, sympy.Integral(r, r), sympy.besselj(0, r)):
        with pytest.raises(DataError, match="not a formula"):
            Expression.from_sympy(tree)
    assert Expression.from_sympy(sympy.pi * sympy.Symbol("r", positive=True)).text == f"{np.pi!r}*r"


def test_importing_the_module_leaves_sympy_and_jax_alone():
    code = "import sys, gnn_discovery.symbolic.expression; print({'sympy', 'jax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
