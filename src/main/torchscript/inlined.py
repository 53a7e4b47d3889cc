"""Makes the text of an exported program quick to load.

torch writes nearly every operation with a variable of its own. For each variable that only one branch of an `if` sets, libtorch
copies the text of the whole file, in case it must name the variable in an error. `dense.pt` had 600 of them, and half of the time to
load it went there. So a variable that only the next statement uses is replaced by its value."""

import ast
import re
from collections import Counter

# The part of a statement that is evaluated once, before all else in it.
HEADERS = {ast.Assign: "value", ast.Expr: "value", ast.Return: "value", ast.If: "test", ast.For: "iter"}


def names(tree: ast.AST, context: type) -> Counter:
    return Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context))


def is_operator(tree: ast.AST) -> bool:
    """Whether this is the name of a function, as `torch.add` is: evaluating it does nothing."""
    while isinstance(tree, ast.Attribute):
        tree = tree.value
    return isinstance(tree, ast.Name) and tree.id in ("torch", "ops", "__torch__")


def comes_first(name: str, tree: ast.AST) -> bool | None:
    """Whether no operation is evaluated before this variable. None: neither is here."""
    if isinstance(tree, ast.Name):
        return True if tree.id == name else None
    if isinstance(tree, (ast.Constant, ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)) or is_operator(tree):
        return None
    for child in ast.iter_child_nodes(tree):
        found = comes_first(name, child)
        if found is not None:
            return found
    return False


class Replace(ast.NodeTransformer):
    def __init__(self, name: str, value: ast.expr):
        self.name = name
        self.value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.value if node.id == self.name and isinstance(node.ctx, ast.Load) else node


def assigned_name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def inline(statements: list[ast.stmt], once: set[str], unused: set[str]) -> list[ast.stmt]:
    kept: list[ast.stmt] = []
    for statement in statements:
        for field in ("body", "orelse"):
            if hasattr(statement, field):
                setattr(statement, field, inline(getattr(statement, field), once, unused))
        if assigned_name(statement) in unused:
            statement = ast.Expr(statement.value)
        header = HEADERS.get(type(statement))
        while kept and header:
            name = assigned_name(kept[-1])
            if name not in once or not comes_first(name, getattr(statement, header)):
                break
            setattr(statement, header, Replace(name, kept.pop().value).visit(getattr(statement, header)))
        kept.append(statement)
    return kept


def inlined(text: str) -> str:
    """The same operations in the same order, in fewer statements."""
    tree = ast.parse(text)
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        loads = names(function, ast.Load)
        stores = names(function, ast.Store)
        once = {name for name in stores if stores[name] == 1 and loads[name] == 1}
        function.body = inline(function.body, once, {name for name in stores if loads[name] == 0})
    return re.sub("^ +", lambda spaces: " " * (len(spaces[0]) // 4), ast.unparse(tree), flags=re.M) + "\n"
