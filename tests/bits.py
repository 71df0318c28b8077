"""Whether a change of the code changed a result: every game's runs, bit for bit, on this machine.

    python -m tests.bits record FILE    the runs of this commit, into FILE (a zip)
    python -m tests.bits check FILE     the same runs again, and those in FILE resumed from their middle

A run is what `ganctl train` leaves: its checkpoint (all state), its rows and its grids. Everything goes through the
command line and the files that it promises, so that any two commits can be compared.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from typer.testing import CliRunner

from ganctl.cli import app

STEPS, MIDDLE = 4, 2
CLASSES, EACH = 3, 20

GAMES = ["gan", "cgan", "projection", "acgan", "infogan", "aae", "aae_semisupervised"]
MODELS = {
    "mlp": ["model=mlp", "model.generator_widths=[16]", "model.discriminator_widths=[16]", "model.latent_dim=4"],
    "dcgan": ["model=dcgan", "model.width=2", "model.latent_dim=4"],
}
VARIANTS = {
    "none": [],
    "gradient": ["penalty=gradient"],
    "r1": ["penalty=r1", "penalty.every=2"],
    "lecam": ["penalty=lecam"],
    "weight_clip": ["loss=wasserstein", "penalty=weight_clip"],
    "average": ["ema_decay=0.9", "optim.clip_norm=1"],
}
# What no game of the table above has: points, turns, other losses, schedules, and bf16.
MORE = {
    "points": ["data=ring8", "data.epoch_size=60", *MODELS["mlp"]],
    "turns": ["game.discriminator_turns=3", "loss=hinge", *MODELS["dcgan"]],
    "relativistic": ["loss=relativistic_paired", "penalty=r1r2", *MODELS["mlp"]],
    "schedule": ["optim.schedule=linear", "loss=least_squares", *MODELS["mlp"]],
    "bf16": ["precision=bf16", *MODELS["dcgan"]],
    "began": ["loss=began", "model=autoencoder", "model.generator_widths=[16]", "model.encoder_widths=[8]"],
    "rmsprop": ["optim=rmsprop", "penalty=logit_drift", *MODELS["mlp"]],
    "spectral": ["model.spectral_norm=true", "loss=hinge", *MODELS["dcgan"]],
}
# What is looked at of some runs, beside their files.
LOOKS = {
    "gan-mlp-none": [["--num", "5"], ["--interpolate"]],
    "cgan-dcgan-average": [["--label", "1", "--num", "4"], []],
    "infogan-mlp-none": [["--sweep", "c2"]],
    "aae-mlp-none": [["--reconstruct"]],
}


def pictures(folder: Path) -> None:
    """Grey pictures of noise, a folder a class."""
    pixels = torch.randint(256, (CLASSES * EACH, 28, 28), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    for place, each in enumerate(pixels):
        path = folder / f"class{place % CLASSES}" / f"{place:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each.numpy()).save(path)


def cases() -> Iterator[tuple[str, list[str]]]:
    """The name and the overrides of every run."""
    for game in GAMES:
        for model, networks in MODELS.items():
            for variant, words in VARIANTS.items():
                # Batch norm lets samples see each other, which a penalty per sample cannot have.
                layer = ["model.discriminator_norm=layer"] if model == "dcgan" and "penalty" in str(words) else []
                few = ["game.labelled=6"] if game == "aae_semisupervised" else []
                yield f"{game}-{model}-{variant}", [f"game={game}", *few, *networks, *layer, *words]
    yield from ((f"more-{name}", words) for name, words in MORE.items())


def called(*words: str) -> None:
    result = CliRunner().invoke(app, [*words], catch_exceptions=False)
    if result.exit_code:
        raise SystemExit(f"ganctl {' '.join(words)}: exit code {result.exit_code}\n{result.output}")


def train(folder: Path, name: str, words: list[str]) -> Path:
    data = [] if any(word.startswith("data=") for word in words) else ["data=folder", "data.root=pictures"]
    small = ["data.image_size=28", "data.channels=1"] if data else []
    called(
        "train", *data, *small, *words, f"steps={STEPS}", "batch_size=6", "log_every=1", "sample_every=2",
        "probe_every=2", f"checkpoint_every={MIDDLE}", "device=cpu", "threads=1", "seed=3", f"output_dir={folder}",
        f"name={name}",
    )  # fmt: skip
    (run,) = folder.glob(f"*/*-{name}")
    return run


def digest(run: Path) -> dict[str, str]:
    """SHA-256 of what a run left, by name; what tells the time is left out."""
    last = run / "checkpoints" / f"step-{STEPS:08d}"
    found = {path.name: path.read_bytes() for path in sorted(last.glob("*.safetensors"))}
    rows = [json.loads(line) for line in (run / "scalars.jsonl").read_text().splitlines()]
    found["rows"] = json.dumps(
        [{key: row[key] for key in sorted(row) if not key.startswith("speed/")} for row in rows]
    ).encode()
    found |= {f"samples/{path.name}": path.read_bytes() for path in sorted((run / "samples").glob("*.png"))}
    return {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}


def looked_at(run: Path, name: str) -> dict[str, str]:
    """SHA-256 of the pictures that `ganctl sample` draws of a run, by its options."""
    found = {}
    for options in LOOKS.get(name, []):
        called("sample", str(run), *options, "--out", "look.png")
        found[f"sample {' '.join(options)}"] = hashlib.sha256(Path("look.png").read_bytes()).hexdigest()
    return found


def put_back(run: Path) -> None:
    """Makes a finished run one that was killed in its middle."""
    shutil.rmtree(run / "checkpoints" / f"step-{STEPS:08d}")
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(info | {"status": "interrupted", "step": MIDDLE}))


def record(file: Path) -> None:
    found = {}
    for name, words in cases():
        run = train(Path("outputs"), name, words)
        found[name] = digest(run) | looked_at(run, name)
        put_back(run)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("digests.json", json.dumps(found, indent=1))
        for path in sorted(Path("outputs").rglob("*")):
            if path.is_file() and "tb" not in path.parts:
                packed.write(path)


def check(file: Path) -> int:
    with zipfile.ZipFile(file) as packed:
        packed.extractall("before")
    recorded = json.loads(Path("before/digests.json").read_text())
    different = 0
    for name, words in cases():
        run = train(Path("outputs"), name, words)
        (old,) = Path("before/outputs").glob(f"*/*-{name}")
        moved = [] if any(word.startswith("data=") for word in words) else ["data.root=pictures"]
        called("train", "--resume", str(old), *moved)
        for kind, found in (("again", digest(run) | looked_at(run, name)), ("resumed", digest(old))):
            others = [key for key, value in found.items() if recorded[name].get(key) != value]
            if others or (kind == "again" and found.keys() != recorded[name].keys()):
                different += 1
                print(f"{name} {kind}: different: {', '.join(others) or 'names'}")
    missing = recorded.keys() - {name for name, _ in cases()}
    print(f"{len(recorded)} runs of {STEPS} steps, each again and resumed from step {MIDDLE}: ", end="")
    print("all equal" if not different and not missing else f"{different} different, {len(missing)} not run")
    return 1 if different or missing else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["record", "check"])
    parser.add_argument("file", type=Path)
    asked = parser.parse_args()
    file = asked.file.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        pictures(Path("pictures"))
        sys.exit(record(file) if asked.what == "record" else check(file))


if __name__ == "__main__":
    main()
