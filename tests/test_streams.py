"""Streams: the same for the same seed and name, different otherwise, independent of each other."""

import torch

from ganctl.streams import Streams, derive


def test_a_stream_depends_on_its_seed_and_its_name_alone():
    assert derive(0, "noise") == derive(0, "noise")
    assert len({derive(0, "noise"), derive(1, "noise"), derive(0, "layer_noise"), derive(0, "data_order", 1)}) == 4
    assert 0 <= derive(-3, "noise") < 2**63


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
        torch.randn(3, generator=streams.layer_noise)
    assert all(torch.equal(before[name], state) for name, state in streams.state().items())
