"""Mutants of a module: its syntax tree with one thing changed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_Node = TypeVar("_Node", bound=ast.AST)
_PLAIN = (ast.Name, ast.Attribute, ast.Call)
"""Conditions that no other change turns round."""
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, what it says in words, and the tree that has it."""

    line: int
    change: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of the source, in the order of its lines."""
    tree = ast.parse(source)
    sites = sorted(_sites(tree), key=lambda node: (node.lineno, node.col_offset))
    for site in sites:
        for changed in _changes(site):
            yield Mutant(
                site.lineno,
                f"{_shown(site)}  ->  {_shown(changed)}",
                _replaced(tree, site, changed),
            )


def _sites(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Nodes that may be changed: neither annotations nor decorators nor the text of messages."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.expr | ast.stmt):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _sites(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[only]):
            yield from map(partial(_compared, node), _COMPARISONS.get(type(only), ()))
        case ast.BoolOp(op=op):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield _with(node, op=_ARITHMETIC[type(op)]())
        case ast.Constant(value=bool() | int() | float() as value):
            yield ast.Constant(not value if isinstance(value, bool) else value * 20 + 1)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            yield _with(node, func=ast.Name(_CALLS[name], ast.Load()))
        case ast.If(test=test) | ast.IfExp(test=test) if isinstance(test, _PLAIN):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _unfiltered(node)


def _compared(node: ast.Compare, kind: type[ast.cmpop]) -> ast.AST:
    return _with(node, ops=[kind()])


def _unfiltered(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
) -> Iterator[ast.AST]:
    for at, generator in enumerate(node.generators):
        if generator.ifs:
            all_of_it = _with(generator, ifs=[])
            others = [*node.generators[:at], all_of_it, *node.generators[at + 1 :]]
            yield _with(node, generators=others)


def _with(node: _Node, **changes: object) -> _Node:
    return type(node)(**(dict(ast.iter_fields(node)) | changes))


def _replaced(tree: ast.Module, old: ast.AST, new: ast.AST) -> ast.Module:
    class Replacer(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.copy_location(new, old) if node is old else super().generic_visit(node)

    # A copy of all but the changed node: its identity is what it is found by.
    copied = Replacer().visit(deepcopy(tree, {id(old): old}))
    assert isinstance(copied, ast.Module)
    return ast.fix_missing_locations(copied)


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else f"{text[:67]}..."
