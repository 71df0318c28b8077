"""Looks at a comparison's folder as a person would: both curves in TensorBoard, no blank picture, a whole report."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

path = Path(sys.argv[1])
cells = sorted(path.glob("cells/*/*"))
assert len(cells) == 4, cells
for cell in cells:
    events = EventAccumulator(str(cell / "tb"))
    events.Reload()
    for tag in ("loss/discriminator", "loss/generator"):
        values = [event.value for event in events.Scalars(tag)]
        assert len(values) == 5 and np.isfinite(values).all() and np.std(values) > 0, (cell, tag, values)
    assert events.Images("samples"), cell
pictures = sorted(path.glob("figures/*.png")) + sorted(path.glob("cells/*/*/samples/*.png"))
assert len(pictures) >= 6 + 8, pictures
for file in pictures:
    with Image.open(file) as picture:
        assert np.asarray(picture.convert("L")).std() > 1, f"{file} is blank"
arms = json.loads((path / "comparison.json").read_text())["arms"]
assert all(seed["status"] == "completed" for arm in arms.values() for seed in arm["seeds"].values())
assert (path / "report.html").stat().st_size > 100_000
print(f"looked at {len(cells)} cells and {len(pictures)} pictures: as they should be")
