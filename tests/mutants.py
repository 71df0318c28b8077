"""Do the tests of the losses notice a wrong sign? Every mutant has one; those that no test fails for survive.

    python -m tests.mutants

Mutants of the first kind negate a whole objective or penalty, or exchange its real and generated argument; those of the
second kind exchange one + and - in the source, or drop one unary minus.
"""

import ast
import copy
import functools
import os
import sys
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path

import numpy  # noqa: F401 - imported before the forks, like torch
import pytest
import torch

ROOT = Path(__file__).parent.parent
FILES = sorted(path for path in (ROOT / "ganctl" / "losses").glob("*.py") if path.stem not in ("__init__", "options"))


def sources():
    """(description, file, mutated tree) for every sign in the losses' files."""
    for file in FILES:
        tree = ast.parse(file.read_text())
        for index, node in enumerate(ast.walk(tree)):
            sign = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))
            if not sign and not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)):
                continue
            changed = copy.deepcopy(tree)
            other = list(ast.walk(changed))[index]
            if sign:
                other.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            else:
                other.op = ast.UAdd()
            yield f"{file.stem}.py:{node.lineno}: {ast.unparse(node)} -> {ast.unparse(other)}", file, changed


def with_source(file, tree):
    """From now on `file` is imported as `tree`."""
    original = SourceFileLoader.get_code

    def get_code(loader, name):
        return compile(tree, loader.path, "exec") if loader.path == str(file) else original(loader, name)

    SourceFileLoader.get_code = get_code


def rows():
    """(description, what makes it so) for every objective and every penalty as a whole."""
    from ganctl.losses import LOSSES, PENALTIES

    for name, loss in LOSSES.items():
        for role in ("discriminator", "generator"):
            yield f"LOSSES[{name}].{role} negated", functools.partial(change, LOSSES, name, role, negated)
            if role == "discriminator" or loss.real_in_generator == "needed":
                what = f"LOSSES[{name}].{role} with real and generated exchanged"
                yield what, functools.partial(change, LOSSES, name, role, exchanged)
    for name, penalty in PENALTIES.items():
        for part in ("of_samples", "of_logits"):
            if getattr(penalty, part):
                yield f"PENALTIES[{name}] negated", functools.partial(change, PENALTIES, name, part, negated)


def change(rows, name, part, how):
    rows[name] = replace(rows[name], **{part: how(getattr(rows[name], part))})


def negated(function):
    return functools.wraps(function)(lambda *given, **options: -function(*given, **options))


def exchanged(function):
    return functools.wraps(function)(lambda real, fake, **options: function(fake, real, **options))


def survives(prepare):
    """Whether the tests of the losses pass in a process where `prepare` has been called."""
    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        code = 1
        try:
            prepare()
            code = pytest.main(["-x", "-p", "no:cacheprovider", str(ROOT / "tests" / "losses")])
        finally:
            os._exit(int(code))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main():
    torch.set_num_threads(1)
    sys.dont_write_bytecode = True
    assert survives(lambda: None), "the tests fail without a mutant"
    mutants = [(what, functools.partial(with_source, file, tree)) for what, file, tree in sources()]
    survivors = [what for what, prepare in mutants if survives(prepare)]
    whole = list(rows())  # imports the losses, so it comes after those whose import is changed
    survivors += [what for what, prepare in whole if survives(prepare)]
    total = len(mutants) + len(whole)
    print(*(f"survived: {what}" for what in survivors), sep="\n")
    print(f"{total - len(survivors)} of {total} mutants died: {len(mutants)} of one sign, {len(whole)} of a whole row")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
