"""`ganctl list`: every choice, one line, its paper; without torch."""

import subprocess
import sys

import pytest

from ganctl.config.choices import choices, groups


def test_everything_is_listed_with_its_description(call):
    done = call("list")
    assert done.returncode == 0
    for group in groups():
        assert f"{group}=" in done.stdout
        for name in choices(group):
            assert f"  {name} " in done.stdout


@pytest.mark.parametrize("group", ["loss", "penalty", "experiment"])
def test_every_loss_penalty_and_recipe_names_its_source(group, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    lines = call("list", group).stdout.splitlines()[1:]
    assert len(lines) == len(choices(group))
    # What no paper made: nothing, our own tables and the tutorials' readings.
    own = {"none", "losses_2d", "seed_ablation", "minimax_swapped", "mean_squared_error"}
    for line in lines:
        name, text = line.split(maxsplit=1)
        assert len(text) > 5
        assert name in own or any(f"{year}" in text for year in range(2012, 2026)), line


def test_an_unknown_group_is_refused_in_one_line(call):
    done = call("list", "losses")
    assert done.returncode == 2 and "choose from data, experiment" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_listing_imports_no_torch():
    code = """
import sys
from ganctl import cli
sys.argv = ["ganctl", "list"]
try:
    cli.main()
except SystemExit:
    pass
assert "torch" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
