"""The layout is the architecture: imports run one way, and the light half never imports torch."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import ganctl

PACKAGE = Path(ganctl.__file__).parent
# A package may import from the rows below its own only.
ROWS = [
    {"__main__"},
    {"start"},
    {"cli"},
    {"commands"},
    {"studies", "report", "sampling"},
    {"watching"},
    {"assembly"},
    {"evaluation"},
    {"training"},
    {"games"},
    {"models", "data"},
    {"numerics", "terminal"},
    {"store"},
    {"config"},
    {"losses", "metrics"},
    {"errors", "formats", "scores", "shares", "digests", "leaving", "__init__"},
]
COMMANDS = {"train", "verify", "sample", "compare_losses", "evaluate", "doctor", "choices"}
LONGEST = 300  # lines of a file; tables of rows may be longer
TABLES = {"config/schema.py"}


def part(module):
    """The part that a module belongs to: ganctl.data.digits -> data."""
    words = module.split(".")
    return words[1] if len(words) > 1 else "__init__"


def rank(name):
    return next(place for place, names in enumerate(ROWS) if name in names)


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("ganctl"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganctl"):
            assert node.level == 0
            if node.module == "ganctl":
                known = [alias.name for alias in node.names if not alias.name.startswith("__")]
                yield from (f"ganctl.{name}" for name in known)
            else:
                yield node.module


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_run_one_way(file):
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module in imports(file):
        other = part(module)
        assert other == own or rank(own) < rank(other), f"{own} imports {module}"


def test_no_command_imports_another():
    for file in (PACKAGE / "commands").glob("*.py"):
        others = {module.split(".")[2] for module in imports(file) if module.startswith("ganctl.commands.")}
        assert not (others & COMMANDS) - {file.stem}, file.name


def test_a_file_is_read_in_one_sitting():
    lines = {str(file.relative_to(PACKAGE)): len(file.read_text().splitlines()) for file in PACKAGE.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > LONGEST and name not in TABLES} == {}
    assert lines["training/loop.py"] <= 120


def loaded(statement):
    """The modules that a fresh Python has after `statement`."""
    script = f"{statement}\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import ganctl.cli",
        "import ganctl.report.comparison",
        "import ganctl.store.run",
        "from ganctl.config.load import load; load(['loss=minimax'])",
        "from ganctl.studies import planning; planning.plan(['loss=minimax,nonsaturating'])",
    ],
)
def test_the_light_half_imports_no_torch(statement):
    assert not {"torch", "torchvision", "tensorboard"} & loaded(statement)


def test_training_imports_nothing_that_it_does_not_use():
    # Each takes as long to import as a tenth of torch, or more; a report and points need the first two.
    assert not {"matplotlib", "scipy", "torchvision"} & loaded("import ganctl.commands.train")


def test_only_the_loop_moves_weights():
    calls = {"zero_grad", "backward"}
    for file in PACKAGE.rglob("*.py"):
        found = {
            node.func.attr
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in calls
        }
        assert not found or file.name == "loop.py", (file, found)


def test_every_row_has_its_yaml_and_every_yaml_its_row():
    from ganctl.config.choices import choices
    from ganctl.data import DATASETS
    from ganctl.games import GAMES
    from ganctl.losses import LOSSES, PENALTIES
    from ganctl.models import MODELS
    from ganctl.training.optimizers import OPTIMIZERS

    groups = {
        "data": DATASETS, "game": GAMES, "loss": LOSSES, "model": MODELS, "optim": OPTIMIZERS, "penalty": PENALTIES,
    }  # fmt: skip
    for group, rows in groups.items():
        assert set(choices(group)) == set(rows)


def test_scripts_import_what_is_there():
    # The benchmarks and the scripts of docs/ run seldom, so a name that moved would be missed late.
    root = PACKAGE.parent
    everything = {".".join(file.relative_to(root).with_suffix("").parts) for file in PACKAGE.rglob("*.py")}
    for file in [*root.glob("benchmarks/*.py"), *root.glob("docs/*.py"), *root.glob(".ci/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganctl"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    known = hasattr(module, alias.name) or f"{node.module}.{alias.name}" in everything
                    assert known, f"{file.name} line {node.lineno}: {node.module} has no {alias.name}"
