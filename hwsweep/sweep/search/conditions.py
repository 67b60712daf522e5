"""Conditions over swept keys, as written in `exclude` and `when`: comparisons, arithmetic, and, or, not, in."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hwsweep.sweep import SweepError

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
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
WORDS = {"and", "or", "not", "in", "is", "True", "False", "None"}


class Condition(NamedTuple):
    """A parsed condition; `holds` tells whether it is true at a point."""

    text: str
    tree: ast.expr
    names: dict[str, str]
    """What stands in the tree for each configuration key: {identifier: key}."""

    def holds(self, point: Mapping[str, Any]) -> bool:
        """True where the condition is true at the point; a key the point lacks counts as None.

        Raises:
            SweepError: the values of the point do not fit the operators.
        """
        values = {name: point.get(key) for name, key in self.names.items()}
        try:
            return bool(evaluate(self.tree, values))
        except (TypeError, ZeroDivisionError):
            if None in values.values():
                return False
            shown = ", ".join(f"{key}={values[name]!r}" for name, key in self.names.items())
            raise SweepError(f"`{self.text}` cannot be computed at {shown}") from None


def parse(text: str, keys: list[str]) -> Condition:
    """The condition written in `text`; names that are not in `keys` are keys of the configuration.

    Raises:
        SweepError: not an expression of comparisons, arithmetic, and, or, not, in.
    """
    names: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        word = match["key"]
        if word is None or word in WORDS:
            return match[0]
        name = f"k{len(names)}_"  # `vae.lambda` is no Python expression: lambda is a keyword
        names[name] = word
        return name

    known = "|".join(re.escape(key) for key in sorted(keys, key=len, reverse=True))
    word = r"[A-Za-z_][\w.]*"
    key = rf"(?:(?:{known})(?![\w.])|{word})" if known else word
    plain = re.sub(rf"'[^']*'|\"[^\"]*\"|(?<![\w.])(?P<key>{key})", replace, text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
        evaluate(tree, dict.fromkeys(names, 1))
    except (TypeError, ZeroDivisionError):
        pass  # of the trial values only
    except (SyntaxError, SweepError):
        raise SweepError(
            f"`{text}` is no condition; write comparisons of keys and values, such as "
            "`model == 'vae' and vae.latent > 8`"
        ) from None
    return Condition(text, tree, names)


def evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """The value of an expression made of constants, names, lists and OPERATORS; anything else is refused."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [evaluate(item, values) for item in items]
        case ast.UnaryOp(op=operation, operand=operand):
            return OPERATORS[type(operation)](evaluate(operand, values))
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in OPERATORS:
            return OPERATORS[type(operation)](evaluate(left, values), evaluate(right, values))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(evaluate(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(evaluate(part, values) for part in parts)
        case ast.Compare(left=left, ops=operations, comparators=others):
            operands = [evaluate(part, values) for part in (left, *others)]
            pairs = zip(operations, operands, operands[1:], strict=False)
            return all(OPERATORS[type(operation)](a, b) for operation, a, b in pairs)
    raise SweepError(f"{type(node).__name__} is not allowed in a condition")
