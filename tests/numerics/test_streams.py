"""Streams: the same for the same seed and name, different otherwise, independent of each other."""

from types import SimpleNamespace

import pytest
import torch

from ganctl.errors import BadInput
from ganctl.numerics import streams
from ganctl.numerics.streams import Masks, Streams, derive


def test_a_stream_depends_on_its_seed_and_its_name_alone():
    assert derive(0, "noise") == derive(0, "noise")
    assert len({derive(0, "noise"), derive(1, "noise"), derive(0, "layer_noise"), derive(0, "data_order", 1)}) == 4
    assert 0 <= derive(-3, "noise") < 2**63


def test_a_gpu_is_asked_for_its_generators_only_when_it_has_some(monkeypatch):
    """torch lists them once CUDA has begun, and naming a device alone does not begin it."""
    generators = []
    gpu = SimpleNamespace(default_generators=generators, init=lambda: generators.extend([torch.Generator()] * 2))
    cpus = {**vars(torch), "Generator": lambda device: torch.Generator(), "cuda": gpu}
    monkeypatch.setattr(streams, "torch", SimpleNamespace(**cpus))
    assert Streams(0, "cuda:1").state().keys() > {"global", "global_cuda"}


def test_initial_weights_of_a_network_do_not_depend_on_the_others():
    streams = Streams(0)
    with streams.initial_weights("generator"):
        alone = torch.randn(3)
    with streams.initial_weights("discriminator"):
        torch.randn(1000)
    with streams.initial_weights("generator"):
        again = torch.randn(3)
    assert torch.equal(alone, again)


def test_drawing_from_one_stream_leaves_the_others():
    streams = Streams(0)
    before = streams.state()
    torch.randn(10, generator=streams.noise)
    after = streams.state()
    assert not torch.equal(before["noise"], after["noise"])
    assert torch.equal(before["layer_noise"], after["layer_noise"])
    assert torch.equal(before["global"], after["global"])


def test_preserved_puts_every_stream_back():
    streams = Streams(0)
    before = streams.state()
    with streams.preserved():
        torch.randn(3)
        streams.layer_noise.draw(3, 100)
    assert all(torch.equal(before[name], state) for name, state in streams.state().items())


def test_masks_go_on_from_where_their_state_was_taken():
    masks = Masks(derive(0, "layer_noise"))
    masks.draw(7, 30_000)
    state = masks.get_state()
    following = masks.draw(100_001, 30_000)
    again = Masks(5)
    again.set_state(state)
    assert torch.equal(again.draw(100_001, 30_000), following)
    masks.restart(derive(0, "layer_noise"))
    assert torch.equal(masks.draw(9, 30_000), Masks(derive(0, "layer_noise")).draw(9, 30_000))


def test_a_mask_is_as_long_as_asked_and_all_zero_at_zero():
    assert [len(Masks(0).draw(count, 65535)) for count in (0, 1, 3, 4, 5, 1000)] == [0, 1, 3, 4, 5, 1000]
    assert not Masks(0).draw(10_000, 0).any()


def test_the_state_of_another_kind_of_stream_is_refused():
    with pytest.raises(BadInput, match="not 32, as an earlier ganctl wrote it"):
        Masks(0).set_state(torch.Generator().get_state())
