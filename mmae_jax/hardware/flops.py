"""Floating-point operations that a program needs, counted on what it computes instead of on what was compiled.

XLA's own count takes the body of a loop once, and counts what the backward pass recomputes; shares of peak count
neither more nor less than the model asks for (PaLM, arXiv 2204.02311, appendix B).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn


def matrix_flops(function: Callable[..., Any], *arguments: Any) -> float:
    """Returns the operations of the matrix products and convolutions of `function`; a multiplication and addition is 2.

    Args:
      function: can be traced; loops have a known length.
      arguments: trees of arrays, or of their shapes and dtypes.
    """
    return jaxpr_flops(jax.make_jaxpr(function)(*arguments).jaxpr)


def jaxpr_flops(jaxpr: Jaxpr) -> float:
    """Returns the operations of the matrix products and convolutions of a traced program, see `matrix_flops`."""
    return sum(_equation_flops(equation) for equation in jaxpr.eqns)


def _equation_flops(equation: JaxprEqn) -> float:
    name, params = equation.primitive.name, equation.params
    operands: list[Any] = [variable.aval for variable in equation.invars]
    results: list[Any] = [variable.aval for variable in equation.outvars]
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        return 2.0 * results[0].size * math.prod(operands[0].shape[axis] for axis in contracted)
    if name == "conv_general_dilated":
        outputs = operands[1].shape[params["dimension_numbers"].rhs_spec[0]]
        return 2.0 * results[0].size * operands[1].size / outputs
    inner = [jaxpr_flops(body) for body in _bodies(params)]
    if name == "scan":
        return params["length"] * sum(inner)
    return max(inner, default=0.0) if name == "cond" else sum(inner)


def _bodies(params: dict[str, Any]) -> list[Jaxpr]:
    values = [item for value in params.values() for item in (value if isinstance(value, (tuple, list)) else [value])]
    closed = [value.jaxpr if isinstance(value, ClosedJaxpr) else value for value in values]
    return [value for value in closed if isinstance(value, Jaxpr)]
