"""A lint for sets: where something that has an order is made of something that has none."""

import ast
from collections.abc import Iterator, Mapping

SETS = {"set", "frozenset", "Set", "AbstractSet", "FrozenSet"}
_MAKES = {"set", "frozenset"}
_GIVES = {"union", "intersection", "difference", "symmetric_difference", "copy"}
_ORDERED = {"tuple", "list", "enumerate", "zip", "map", "filter", "iter", "next", "reversed", "chain", "islice"}
_ORDERED |= {"join", "fromkeys", "extend", "deque", "from_iterable", "repr", "str", "dumps"}
_ANY_ORDER = {"sorted", "set", "frozenset", "any", "all", "len", "sum", "min", "max", "names", "update", "isdisjoint"}
_ANY_ORDER |= {"union", "intersection", "difference", "issubset", "issuperset"}
"""What takes anything in any order; ``names`` are the policies' own, and sorted."""


_OF_DICTS = {"keys", "values", "items"}


def unordered(sources: Mapping[str, str]) -> dict[str, list[int]]:
    """Return, by file, the lines in which an order is made of a set."""
    trees = {name: ast.parse(source) for name, source in sources.items()}
    typed = [one for tree in trees.values() for one in _fields(tree)]
    # A name that is a set in one place and something else in another is not known by its name.
    fields = {name for name, is_set in typed if is_set} - {name for name, is_set in typed if not is_set}
    public = {name for tree in trees.values() for name in _giving(tree) if not name.startswith("_")} - _OF_DICTS
    found = {
        name: sorted(set(_Looking(tree, fields, public | set(_giving(tree))).lines())) for name, tree in trees.items()
    }
    return {name: lines for name, lines in found.items() if lines}


def _is_set_type(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return name in SETS
        case ast.BinOp(left=left, right=right, op=ast.BitOr()):
            return _is_set_type(left) or _is_set_type(right)
    return False


def _fields(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    for made in (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)):
        for one in made.body:
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                yield one.target.id, _is_set_type(one.annotation)


def _giving(tree: ast.AST) -> Iterator[str]:
    for one in ast.walk(tree):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and _is_set_type(one.returns):
            yield one.name


class _Looking:
    """One file: a name is a set throughout if it is one anywhere; too much is better said than too little."""

    def __init__(self, tree: ast.AST, fields: set[str], giving: set[str]) -> None:
        self._tree = tree
        self._fields = fields
        self._giving = giving
        self._names: set[tuple[str, str]] = set()
        self._scope: dict[ast.AST, str] = {}
        self._place(tree, "")
        while self._learn():
            pass

    def _place(self, node: ast.AST, scope: str) -> None:
        for child in ast.iter_child_nodes(node):
            self._scope[child] = scope
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            self._place(child, f"{scope}.{child.lineno}" if inner else scope)

    def _learn(self) -> bool:
        before = len(self._names)
        for node in ast.walk(self._tree):
            scope = self._scope.get(node, "")
            match node:
                case ast.arg(arg=name, annotation=annotation) if _is_set_type(annotation):
                    self._names.add((scope, name))
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if _is_set_type(annotation):
                    self._names.add((scope, name))
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if self.is_set(value):
                    self._names.add((scope, name))
                case ast.NamedExpr(target=ast.Name(id=name), value=value) if self.is_set(value):
                    self._names.add((scope, name))
        return len(self._names) > before

    def is_set(self, node: ast.expr) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Name(id=name)):
                return name in _MAKES or name in self._giving
            case ast.Call(func=ast.Attribute(value=value, attr=attr)):
                return attr in self._giving or (attr in _GIVES and self.is_set(value))
            case ast.BinOp(left=left, right=right, op=ast.BitAnd() | ast.BitOr() | ast.Sub() | ast.BitXor()):
                return self.is_set(left) or self.is_set(right) or _is_keys(left) or _is_keys(right)
            case ast.IfExp(body=body, orelse=other):
                return self.is_set(body) or self.is_set(other)
            case ast.Attribute(attr=attr):
                return attr in self._fields
            case ast.Name(id=name):
                scope = self._scope.get(node, "")
                parts = scope.split(".")
                return any((".".join(parts[: n + 1]), name) in self._names for n in range(len(parts)))
        return False

    def lines(self) -> Iterator[int]:
        whole = {id(arg) for call in self._calls() if _name(call) in _ANY_ORDER for arg in call.args}
        whole |= {id(one) for made in ast.walk(self._tree) if isinstance(made, ast.Set) for one in made.elts}
        whole |= {id(one.value) for one in ast.walk(self._tree) if isinstance(one, ast.Starred) and id(one) in whole}
        for node in ast.walk(self._tree):
            match node:
                case ast.Starred(value=of) if id(node) not in whole:
                    given = [of]
                case ast.For(iter=of) | ast.AsyncFor(iter=of) | ast.YieldFrom(value=of):
                    given = [of]
                case ast.ListComp(generators=parts) | ast.DictComp(generators=parts):
                    given = [part.iter for part in parts]
                case ast.GeneratorExp(generators=parts) if id(node) not in whole:
                    given = [part.iter for part in parts]
                case ast.Call(func=ast.Attribute(value=of, attr="pop"), args=[]):
                    given = [of]
                case ast.Call(args=args) if _name(node) in _ORDERED and id(node) not in whole:
                    given = [*args[:1]] if _name(node) == "fromkeys" else list(args)
                case _:
                    continue
            if any(self.is_set(of) for of in given):
                yield node.lineno

    def _calls(self) -> Iterator[ast.Call]:
        return (n for n in ast.walk(self._tree) if isinstance(n, ast.Call))


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_keys(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="keys"), args=[]):
            return True
    return False
