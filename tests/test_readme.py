"""The README is a first page: short, with the way in, the answer and the way on."""

import re

from tests.commands_in_docs import ROOT, found_in, pages

README = (ROOT / "README.md").read_text()


def test_the_readme_fits_two_screens():
    assert len(README.splitlines()) <= 150
    assert len(re.findall(r"!\[.*\]\(.*\)", README)) == 1


def test_one_line_installs_and_answers():
    line = next(line for line in README.splitlines() if line.endswith("&& ganctl compare-losses"))
    assert line == 'python3 -m venv .venv && . .venv/bin/activate && pip install -e ".[dev]" && ganctl compare-losses'
    # It is the first command of the page.
    assert found_in(README, "README")[0].text == "ganctl compare-losses"


def test_the_readme_shows_each_of_the_four_commands():
    shown = {command.verb for command in found_in(README, "README")}
    assert {"train", "sample", "evaluate", "compare-losses"} <= shown


def test_no_place_holder_is_left():
    assert [(page.name, text) for page in pages() for text in re.findall(r"\{\{.*?\}\}", page.read_text())] == []


def test_the_readme_leads_to_every_page_of_tasks_and_the_index_to_every_page():
    tasks = (ROOT / "docs" / "README.md").read_text().split("## What the numbers mean")[0]
    for page in re.findall(r"\]\(([\w-]+\.md)\)", tasks):
        assert f"](docs/{page})" in README, page
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name
