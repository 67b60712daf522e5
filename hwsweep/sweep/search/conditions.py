"""Conditions on swept keys, as written in `exclude` and `when`: comparisons, arithmetic, and, or, not, in."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hwsweep.sweep import SweepError


def _of_numbers(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The operation for numbers only: `'a' * 10**11` and `'%99999999d' % 1` would fill the memory."""

    def compute(*operands: Any) -> Any:
        if not all(isinstance(operand, int | float) for operand in operands):
            raise TypeError("arithmetic needs numbers")
        return operation(*operands)

    return compute


def _power(base: float, exponent: float) -> Any:
    float(base) ** float(exponent)  # OverflowError, before 9**9**9 is computed digit by digit
    return base**exponent


OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _of_numbers(operator.add),
    ast.Sub: _of_numbers(operator.sub),
    ast.Mult: _of_numbers(operator.mul),
    ast.Div: _of_numbers(operator.truediv),
    ast.FloorDiv: _of_numbers(operator.floordiv),
    ast.Mod: _of_numbers(operator.mod),
    ast.Pow: _of_numbers(_power),
    ast.USub: _of_numbers(operator.neg),
    ast.UAdd: _of_numbers(operator.pos),
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
KEYWORDS = {"and", "or", "not", "in", "is", "True", "False", "None"}


class Condition(NamedTuple):
    """A parsed condition."""

    text: str
    tree: ast.expr
    names: dict[str, str]
    """The configuration key that each identifier of the tree stands for: {identifier: key}."""

    def is_true(self, point: Mapping[str, Any]) -> bool:
        """Whether the condition is true at the point; a key that the point lacks counts as None.

        Raises:
            SweepError: the values of the point do not fit the operators.
        """
        values = {name: point.get(key) for name, key in self.names.items()}
        try:
            return bool(_evaluate(self.tree, values))
        except (TypeError, ArithmeticError) as error:
            if None in values.values() and not isinstance(error, OverflowError):
                return False
            operands = ", ".join(f"{key}={values[name]!r}" for name, key in self.names.items())
            where = f" at {operands}" if operands else ""
            raise SweepError(f"`{self.text}` cannot be computed{where}: {_reason(error)}") from None


def parse_condition(text: str, swept: list[str]) -> Condition:
    """The condition written in `text`.

    Args:
        swept: the swept keys, which may contain characters that a name in a condition otherwise cannot (`a/b`, `+x`).

    Raises:
        SweepError: the text is no expression of comparisons, arithmetic, and, or, not, in.
    """
    names: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        word = match["key"]
        if word is None or word in KEYWORDS:
            return match[0]
        name = f"k{len(names)}_"  # Python cannot parse `vae.lambda`: lambda is a keyword
        names[name] = written.get(word, word)
        return name

    written = {key.lstrip("+"): key for key in swept}  # +x is called x in the configuration
    exact = [rf"{re.escape(key)}(?![\w.])" for key in sorted(swept, key=len, reverse=True)]
    key = "|".join([*exact, r"[A-Za-z_][\w.]*"])
    expression = re.sub(rf"'[^']*'|\"[^\"]*\"|(?<![\w.])(?P<key>{key})", replace, text)
    try:
        condition = Condition(text, ast.parse(expression.strip(), mode="eval").body, names)
        _evaluate(condition.tree, dict.fromkeys(names, 1))
    except (TypeError, ArithmeticError):
        if not names:
            condition.is_true({})  # it can be computed nowhere
        # else 1 for every key need not fit the operators
    except (SyntaxError, ValueError, RecursionError, MemoryError, SweepError):
        raise SweepError(
            f"`{_short(text)}` is no condition; compare keys and values, as in `model == 'vae' and vae.latent > 8`"
        ) from None
    return condition


def _reason(error: Exception) -> str:
    return "the number is too large" if isinstance(error, OverflowError) else str(error)


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """The value of an expression of constants, names, lists and OPERATORS.

    Raises:
        SweepError: the expression contains anything else.
    """
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_evaluate(item, values) for item in items]
        case ast.UnaryOp(op=operation, operand=operand) if type(operation) in OPERATORS:
            return OPERATORS[type(operation)](_evaluate(operand, values))
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in OPERATORS:
            return OPERATORS[type(operation)](_evaluate(left, values), _evaluate(right, values))
        case ast.BoolOp(op=operation, values=parts):
            return (all if isinstance(operation, ast.And) else any)(_evaluate(part, values) for part in parts)
        case ast.Compare(left=left, ops=operations, comparators=others):
            operands = [_evaluate(part, values) for part in (left, *others)]
            pairs = zip(operations, operands, operands[1:], strict=False)
            return all(OPERATORS[type(operation)](a, b) for operation, a, b in pairs)
    raise SweepError(f"{type(node).__name__} is not allowed in a condition")
