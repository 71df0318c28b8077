"""Figures in the docs are those of the files beside them."""

import csv
import json
import re
import subprocess
import sys

from tests.commands_in_docs import ROOT, pages

DOCS = ROOT / "docs"


def test_the_tables_of_the_ablation_come_from_its_csv_files():
    printed = subprocess.run(
        [sys.executable, DOCS / "jg_ablation.py"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    page = (DOCS / "jg-ablation.md").read_text().splitlines()
    assert len(printed) > 30 and [line for line in printed if line not in page] == []


def test_two_arms_of_the_ablation_are_one_training():
    with (DOCS / "jg-ablation.csv").open() as file:
        rows = {row["arm"]: row for row in csv.DictReader(file)}
    swapped, other = rows["minimax_swapped"], rows["nonsaturating"]
    same = [tag for tag in swapped if "/" in tag and not tag.startswith(("speed/", "loss/generator", "term/generator"))]
    assert len(same) > 30 and all(swapped[tag] == other[tag] for tag in same)
    assert float(swapped["loss/generator"]) > float(other["loss/generator"]) > 0
    assert float(rows["minimax"]["loss/generator"]) <= 0 and rows["minimax"]["verdict"] == "vanishing_gradient"


def anchors(page):
    """The names that links into a page have, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_the_pages_link_to_is_there():
    for page in pages():
        text = re.sub(r"`[^`]*`", "", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
        for target, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", text):
            file = page.parent / target if target else page
            assert file.exists(), (page.name, target)
            assert not anchor or anchor in anchors(file), (page.name, target, anchor)


def test_the_tables_of_the_scores_come_from_their_csv_file():
    printed = subprocess.run(
        [sys.executable, DOCS / "evaluation.py"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    page = (DOCS / "evaluation.md").read_text().splitlines()
    assert len(printed) > 30 and [line for line in printed if line not in page] == []


def test_the_scores_were_measured_by_one_protocol_but_for_the_weights():
    with (DOCS / "evaluation.csv").open() as file:
        rows = [*csv.DictReader(file)]
    protocols = {row["run"].split("-")[0]: set() for row in rows}
    for row in rows:
        protocols[row["run"].split("-")[0]].add(row["protocol"])
    # The ablation keeps no average of the weights, the recipes do.
    assert {kind: len(found) for kind, found in protocols.items()} == {"ablation": 1, "recipe": 1}


def test_every_metric_is_explained():
    from ganctl.config.metrics import METRIC_NAMES

    page = (DOCS / "evaluation.md").read_text()
    assert [name for name in METRIC_NAMES if f"**{name}**" not in page] == []


def test_the_tables_of_the_games_are_those_of_the_measured_runs():
    printed = subprocess.run(
        [sys.executable, DOCS / "games.py"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    page = (DOCS / "games.md").read_text().splitlines()
    assert len(printed) >= 12 and [line for line in printed if line not in page] == []


def test_every_game_has_its_chapter_and_its_recipes():
    from ganctl.config.choices import choices

    page = (DOCS / "games.md").read_text()
    for game in ("srgan", "cyclegan"):  # whose recipes need no download
        assert f"ganctl train experiment={game}\n" in page and f"{game}_pictures" in choices("experiment")
    for game in {*choices("game")} - {"srgan", "cyclegan"}:
        if game != "gan":
            assert f"ganctl train experiment={game}_mnist data.root=DIR" in page
            assert {f"{game}_mnist", f"{game}_fashion_mnist"} <= {*choices("experiment")}


def speed(name):
    return json.loads((DOCS / "performance" / f"{name}.json").read_text())["results"]


def test_the_tables_of_speed_come_from_their_json_files():
    page = (DOCS / "performance.md").read_text()
    rows = [
        f"| {case} | {found['ganctl']:,.0f} | {found['textbook']:,.0f} | {found['floor']:,.0f} | "
        f"{found['times the textbook']:#.3g} | {found['times the floor']:.2f} |"
        for name in ("train", "train-xeon", "train-default")
        for case, found in speed(name).items()
        if case != "subnormal"
    ]
    rows += [
        f"{found['ms']:.1f} | {found['share']:.2f} |"
        for part, found in speed("parts").items()
        if part not in ("threads", "the step")
    ]
    rows += [f"` | {found['seconds']:.3f} | " for found in speed("startup").values()]
    for size, found in speed("scaling").items():
        shown = size.removesuffix(" of 100 steps") if "cells" in size else f"`{size.split()[-1]}`"
        rows += [f"| {shown} {found['times']:.2f} |"] if not size.endswith(": model=mlp") else []
    rows += [f"**{speed('logging')['ratio']:.3f}**", f"**{speed('compare')['ratio']:.3f}**"]
    assert len(rows) > 40 and [row for row in rows if row not in page] == []


def test_the_tables_of_the_recipes_come_from_their_csv_file():
    printed = subprocess.run(
        [sys.executable, DOCS.parent / "benchmarks" / "recipes.py"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    page = (DOCS / "recipes.md").read_text().splitlines()
    assert len(printed) >= 6 and [line for line in printed[:-1] if line not in page] == []
