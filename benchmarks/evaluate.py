"""How long and how much memory the metrics take, and how that grows with the samples.

    python benchmarks/evaluate.py [--json FILE]

Each part runs in a process of its own, so that its peak of memory is its own. The times of torch-fidelity and prdc, for
the metrics that they have too, are of the same features in the same run. Nothing else should run meanwhile.
"""

import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import measuring

DIMENSIONS, CLASSES, COUNT = 256, 10, 10_000


def features(count, seed, shift=0.0):
    """Correlated features and class probabilities."""
    import torch

    stream = torch.Generator().manual_seed(seed)
    mixing = torch.randn(DIMENSIONS, DIMENSIONS, generator=torch.Generator().manual_seed(0)) / 16
    rows = torch.empty(count, DIMENSIONS)
    for part in rows.split(5000):
        part.copy_((torch.randn(len(part), DIMENSIONS, generator=stream) @ mixing + shift).relu())
    return rows, (3 * rows[:, :CLASSES]).softmax(dim=1)


def peak():
    """Megabytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def every_metric(count):
    """All metrics that train nothing, with their errors, from features to numbers."""
    import torch

    from ganctl.evaluation.extraction import Extracted
    from ganctl.evaluation.features import FeatureNetwork
    from ganctl.evaluation.scores import METRICS, Sides
    from ganctl.metrics import moments

    def seen(seed, shift=0.0):
        rows, probabilities = features(count, seed, shift)
        return Extracted(count, moments(rows), rows, probabilities, torch.empty(0))

    network = FeatureNetwork("benchmark", "", DIMENSIONS, lambda pixels: (pixels, None), own_classes=True)
    real, fake, train = seen(1), seen(2, 0.05), seen(3)
    sides = Sides(fake, real, train, real, network, True, 0)
    found = {}
    for name, metric in METRICS.items():
        if not (metric.trains or metric.offered):
            began = time.perf_counter()
            metric.compute(sides)
            found[name] = round(time.perf_counter() - began, 2)
    return {"seconds": found, "all": round(sum(found.values()), 1), "peak MB": round(peak())}


def shared(count):
    """FID, KID, precision, recall, density and coverage alone, without errors: what the other libraries have."""
    from ganctl.metrics import frechet_distance, kernel_distance, neighbourhoods

    (real, _), (fake, _) = features(count, 1), features(count, 2, 0.05)
    began = time.perf_counter()
    frechet_distance(real, fake)
    kernel_distance(real, fake)
    neighbourhoods(real, fake, 3, 5)
    return {"all": round(time.perf_counter() - began, 1), "peak MB": round(peak())}


def others(count):
    """The same by torch-fidelity and prdc."""
    warnings.simplefilter("ignore")
    import prdc
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    (real, _), (fake, _) = ([part.double() for part in features(count, *words)] for words in ((1,), (2, 0.05)))
    began = time.perf_counter()
    fid_statistics_to_metric(fid_features_to_statistics(real), fid_features_to_statistics(fake), False)
    settings = {"kid_subsets": 100, "kid_subset_size": 1000, "rng_seed": 2020, "verbose": False}
    settings |= {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None}
    kid_features_to_metric(fake, real, **settings, kid_kernel_poly_coef0=1)
    prc_features_to_metric(fake, real, prc_neighborhood=3, prc_batch_size=10_000, save_cpu_ram=False, verbose=False)
    prdc.compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
    return {"all": round(time.perf_counter() - began, 1), "peak MB": round(peak())}


def streamed(count):
    """FID, KID and the inception score of `count` generated images, as `ganctl evaluate` measures them."""
    import torch

    from ganctl.data import ImageSet, Samples
    from ganctl.evaluation import FEATURES, FeatureNetwork, ImageEvaluator

    rows, probabilities = features(1000, 1)

    def look(pixels):
        chosen = pixels[:, 0, 0, 0].long() * 3 + pixels[:, 0, 0, 1].long() % 200
        return rows[chosen] + pixels[:, 0, 1, 0, None] / 2550, probabilities[chosen]

    FEATURES["benchmark"] = lambda _: FeatureNetwork("benchmark", "0", DIMENSIONS, look, own_classes=True)

    def images(number, stream):
        return torch.randint(0, 256, (number, 1, 28, 28), dtype=torch.uint8, generator=stream)

    train, test = (ImageSet(images(10_000, torch.Generator().manual_seed(seed))) for seed in (1, 2))
    evaluator = ImageEvaluator(train, test, ["fid", "kid", "inception_score"], "benchmark", num=count)
    before = peak()
    began = time.perf_counter()
    evaluator.evaluate(lambda number, stream: Samples(images(number, stream)), "none", errors=False)
    return {"all": round(time.perf_counter() - began, 1), "peak MB": round(peak()), "before MB": round(before)}


def main() -> None:
    file = Path(sys.argv[2]) if sys.argv[1:2] == ["--json"] else None
    if len(sys.argv) == 3 and not file:
        print(json.dumps(globals()[sys.argv[1]](int(sys.argv[2]))))
        return
    found = {}
    for part, count in (
        ("every_metric", COUNT), ("shared", COUNT), ("others", COUNT), ("streamed", COUNT), ("streamed", 10 * COUNT),
    ):  # fmt: skip
        done = subprocess.run([sys.executable, __file__, part, str(count)], capture_output=True, text=True, check=True)
        line = done.stdout.splitlines()[-1]  # below what the other libraries print
        found[part, count] = json.loads(line)
        print(part, f"{count:,}", line, flush=True)
    ratio = found["shared", COUNT]["all"] / found["others", COUNT]["all"]
    print(f"what torch-fidelity and prdc have too takes ganctl {ratio:.2f} of their time")
    growth = found["streamed", 10 * COUNT]["peak MB"] - found["streamed", COUNT]["peak MB"]
    print(f"ten times the images take {growth} MB more for fid, kid and inception_score")
    ratios = {"of their time": ratio, "MB more for ten times the images": growth}
    measuring.write(file, {f"{part} {count}": numbers for (part, count), numbers in found.items()} | ratios)


if __name__ == "__main__":
    main()
