"""The network that FID is defined on, from a file; without weights at hand, its own architecture with random ones."""

import hashlib
import subprocess
import sys

import pytest
import torch

from ganctl.data import ImageSet, Samples
from ganctl.errors import BadInput
from ganctl.evaluation import ImageEvaluator, Request
from ganctl.evaluation.features import feature_network

GREY = ImageSet(torch.randint(0, 255, (48, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))


def test_without_its_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'ganctl\[inception\]'"):
        feature_network("inception", Request(GREY))


def test_a_file_that_is_no_such_network_is_refused(tmp_path):
    (tmp_path / "w.pth").write_text("no weights")
    with pytest.raises(BadInput, match="its weights cannot be read .*--weights FILE"):
        feature_network("inception", Request(GREY, weights=tmp_path / "w.pth"))
    with pytest.raises(BadInput, match="is not a file"):
        feature_network("inception", Request(GREY, weights=tmp_path / "none.pth"))


@pytest.mark.long
def test_it_measures_grey_images_by_a_named_file_whose_hash_is_recorded(tmp_path):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):
        """The architecture, before it asks for weights."""

        def load_state_dict(self, *words):
            assert words
            raise KeyboardInterrupt  # caught below: everything is built by then

    file = tmp_path / "random.pth"
    network = None

    class Caught(Unloaded):
        def __init__(self, *words, **more):
            nonlocal network
            network = self
            super().__init__(*words, **more)

    torch.save({}, file)
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        Caught("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file))
    state = network.state_dict()
    torch.save({name: torch.randn_like(w) * 0.05 if w.ndim > 1 else w for name, w in state.items()}, file)
    evaluator = ImageEvaluator(GREY, None, ["kid", "inception_score", "precision"], "inception", weights=file, num=24)
    protocol = evaluator.protocol("none")
    assert protocol["features"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert protocol["features"]["dimensions"] == 2048
    found = evaluator.evaluate(lambda count, stream: Samples(GREY.pixels[:count]), "none")
    assert all(torch.isfinite(torch.tensor(row.value)) for row in found.estimates.values())


@pytest.mark.slow
def test_nothing_of_torch_fidelity_is_imported_before_it_is_asked_for():
    script = "import ganctl.evaluation, sys; print('torch_fidelity' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
