"""A test that stands in an annotation as a lambda knows its own names only.

Python reads annotations with a class's names in the place of its module's (`get_type_hints`), so a
lambda there finds no name of the module, and says so only when it is called.
"""

from __future__ import annotations

import ast
import builtins

from tests.tidy.tree import modules


def foreign(tree: ast.Module) -> list[str]:
    """The names that a lambda in an annotation takes from elsewhere, with their lines."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.AnnAssign):
            continue
        for one in (o for o in ast.walk(node.annotation) if isinstance(o, ast.Lambda)):
            names = [name for name in ast.walk(one.body) if isinstance(name, ast.Name)]
            own = {arg.arg for arg in ast.walk(one.args) if isinstance(arg, ast.arg)}
            own |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
            wrong = {name.id for name in names} - own - set(dir(builtins))
            found += [f"{one.lineno}: {name}" for name in sorted(wrong)]
    return found


def test_lambdas_in_annotations_know_their_own_names_only() -> None:
    wrong = [f"{one.path}:{name}" for one in modules() for name in foreign(one.tree)]
    assert not wrong, "make these functions of the module:\n" + "\n".join(wrong)


def test_a_lambda_that_takes_a_name_of_the_module_is_seen() -> None:
    text = "class A:\n    b: Annotated[int, F(lambda row: row == OTHER)] = 0\n"
    assert foreign(ast.parse(text)) == ["2: OTHER"]
    assert not foreign(ast.parse(text.replace("OTHER", "any(x for x in row)")))
