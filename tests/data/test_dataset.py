"""Batches: each image once an epoch, the same order for the same seed, scaled to match the generator."""

import numpy as np
import pytest
import torch

from ganctl.config.schema import Density as DensityOptions
from ganctl.config.schema import Folder, Mnist5k, TorchvisionImages
from ganctl.data import DATASETS, Batches, ImageSet, in_range
from ganctl.errors import BadInput
from ganctl.numerics.streams import Streams


def numbered(count):
    """Images whose pixels all hold their own number."""
    return ImageSet(torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone())


def test_an_epoch_has_every_image_once_in_an_order_of_its_own():
    images = numbered(20)
    batches = Batches(images, 5, Streams(3), (0.0, 255.0))
    epochs = [torch.cat([batches.draw().data for _ in range(4)])[:, 0, 0, 0].tolist() for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(20))
    assert epochs[0] != epochs[1]
    assert batches.epoch == 2


def test_any_batch_can_be_drawn_again_from_its_number():
    first, second = Batches(numbered(20), 5, Streams(3)), Batches(numbered(20), 5, Streams(3))
    drawn = [first.draw().data for _ in range(11)]
    second.drawn = 10
    assert torch.equal(second.draw().data, drawn[10])
    assert not torch.equal(Batches(numbered(20), 5, Streams(4)).draw().data, drawn[0])


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0)])
def test_black_and_white_become_the_ends_of_the_range(value_range):
    images = ImageSet(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2))
    assert in_range(images.pixels, value_range).flatten().tolist() == pytest.approx(value_range, abs=1e-6)


def test_two_runs_may_share_a_set_and_each_has_the_order_of_its_seed():
    shared, streams = numbered(20), [Streams(3), Streams(4)]
    alone = [numbered(20).batch(0, 20, each).data for each in streams]
    assert not torch.equal(*alone)
    assert all(torch.equal(shared.batch(0, 20, each).data, one) for each, one in zip(streams, alone, strict=True))


def test_sets_that_are_drawn_side_by_side_have_orders_of_their_own():
    # Else images made from one another would be drawn as pairs, and unpaired data would be paired.
    source = ImageSet(numbered(20).pixels, order="data_order/source")
    assert not torch.equal(source.batch(0, 20, Streams(3)).data, numbered(20).batch(0, 20, Streams(3)).data)


def test_labels_stay_with_their_images_in_batches_and_in_references():
    images = ImageSet(numbered(20).pixels, (torch.arange(20) * 7) % 5)
    batches = Batches(images, 5, Streams(3), (0.0, 255.0))
    drawn = [*(batches.draw() for _ in range(8)), *images.reference(10)]
    for each in drawn:
        assert torch.equal(each.labels, (each.data[:, 0, 0, 0].round().long() * 7) % 5)
    assert images.classes == 5 and numbered(20).classes == 0
    assert numbered(20).batch(0, 5, Streams(3)).labels is None
    assert DATASETS["ring8"](DensityOptions("ring8")).batch(0, 5, Streams(3)).labels is None


@pytest.mark.parametrize("count", [5, 7, 12, 20])
def test_a_balanced_choice_has_as_many_of_each_class_each_image_once_and_follows_its_stream(count):
    # 4 images of class 0, and 16, 8, 8 and 24 of the others.
    labels = torch.arange(5).repeat_interleave(torch.tensor([4, 16, 8, 8, 24]))
    images = ImageSet(numbered(60).pixels, labels[torch.randperm(60, generator=torch.Generator().manual_seed(0))])
    first, again, other = (images.balanced(count, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    numbers = first.pixels[:, 0, 0, 0].long()
    assert len(numbers.unique()) == count == first.epoch_size
    assert torch.equal(first.labels, images.labels[numbers])
    counts = torch.bincount(first.labels, minlength=5)
    assert counts.max() - counts.min() == bool(count % 5)
    assert torch.equal(first.pixels, again.pixels) and not torch.equal(first.pixels, other.pixels)
    with pytest.raises(BadInput, match="21 images with a label: the rarest of 5 classes has 4; ask for at most 20"):
        images.balanced(21, torch.Generator())


def test_every_image_of_a_class_is_as_likely_to_be_chosen():
    images = ImageSet(numbered(20).pixels, torch.arange(20) // 10)
    chosen = torch.zeros(20)
    for seed in range(400):
        chosen[images.balanced(2, torch.Generator().manual_seed(seed)).pixels[:, 0, 0, 0].long()] += 1
    # A binomial of 400 and 1/10 each: five deviations.
    assert (chosen - 40).abs().max() < 5 * (400 * 0.1 * 0.9) ** 0.5


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(BadInput, match="batch_size=21: the data set has 20"):
        Batches(numbered(20), 21, Streams(0))


def test_mnist5k_holds_five_hundred_of_each_digit():
    images = DATASETS["mnist5k"](Mnist5k())
    assert images.pixels.shape == (5000, 1, 28, 28) and images.pixels.dtype == torch.uint8
    # MNIST's published mean and deviation over its training set, 0.1307 and 0.3081; this is a part of it.
    scaled = images.pixels.float() / 255
    assert scaled.mean().item() == pytest.approx(0.1307, abs=0.005)
    assert scaled.std().item() == pytest.approx(0.3081, abs=0.005)
    assert images.classes == 10 and torch.bincount(images.labels).tolist() == [500] * 10


@pytest.mark.parametrize(("name", "modes", "deviation"), [("ring8", 8, 0.01), ("grid25", 25, 0.05)])
def test_a_density_is_the_published_mixture(name, modes, deviation):
    density = DATASETS[name](DensityOptions(name))
    points = density.draw(20_000, torch.Generator().manual_seed(0))
    distances = torch.cdist(points, density.centers)
    nearest = distances.argmin(dim=1)
    counts = torch.bincount(nearest, minlength=modes).double()
    assert len(counts) == modes
    # Pearson's chi-squared statistic of a uniform multinomial has mean modes - 1 and variance 2 (modes - 1).
    chi_squared = ((counts - 20_000 / modes) ** 2 / (20_000 / modes)).sum().item()
    assert chi_squared < (modes - 1) + 5 * (2 * (modes - 1)) ** 0.5
    offsets = points - density.centers[nearest]
    assert offsets.std().item() == pytest.approx(deviation, rel=0.03)
    if name == "ring8":
        assert torch.allclose(density.centers.norm(dim=1), torch.ones(8))
    else:
        assert set(density.centers.flatten().tolist()) == {-4.0, -2.0, 0.0, 2.0, 4.0}


def test_batches_of_a_density_are_fresh_and_repeatable():
    density, streams = DATASETS["ring8"](DensityOptions("ring8")), Streams(0)
    assert torch.equal(density.batch(7, 10, streams).data, density.batch(7, 10, Streams(0)).data)
    assert not torch.equal(density.batch(7, 10, streams).data, density.batch(8, 10, streams).data)


def write_pictures(folder):
    from PIL import Image

    (folder / "deep").mkdir()
    for number, (size, name) in enumerate([((40, 30), "a.png"), ((30, 40), "deep/b.jpg"), ((8, 8), "c.webp")]):
        Image.new("RGB", size, (200, 100, 50 * number)).save(folder / name)
    return folder


@pytest.mark.parametrize(("channels", "colour"), [(3, [200, 100, 0]), (1, [119])])
def test_a_folder_of_pictures_is_resized_and_cropped(tmp_path, channels, colour):
    # Grey is ITU-R 601 luma: 0.299 * 200 + 0.587 * 100 = 118.5 for blue 0.
    images = DATASETS["folder"](Folder(root=str(write_pictures(tmp_path)), image_size=16, channels=channels))
    assert images.pixels.shape == (3, channels, 16, 16)
    assert images.pixels[0].float().mean(dim=(1, 2)).tolist() == pytest.approx(colour, abs=6)


def test_the_centre_of_a_picture_is_kept(tmp_path):
    from PIL import Image

    strip = np.zeros((10, 30, 3), np.uint8)
    strip[:, 10:20] = 255
    Image.fromarray(strip).save(tmp_path / "strip.png")
    images = DATASETS["folder"](Folder(root=str(tmp_path), image_size=10))
    assert images.pixels.min() == 255


def test_sixteen_bits_a_pixel_are_scaled_down(tmp_path):
    from PIL import Image

    Image.fromarray(np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16)).resize((4, 4), 0).save(
        tmp_path / "a.png"
    )
    images = DATASETS["folder"](Folder(root=str(tmp_path), image_size=4, channels=1))
    assert images.pixels[0, 0, ::3, ::3].flatten().tolist() == [0, 100, 200, 255]


def test_unreadable_pictures_are_left_out_and_named(tmp_path):
    write_pictures(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.warns(UserWarning, match=r"left out 1 unreadable of 4: .*broken.png"):
        images = DATASETS["folder"](Folder(root=str(tmp_path)))
    assert len(images.pixels) == 3


@pytest.mark.parametrize("content", [None, "nothing", "text", "broken"])
def test_a_folder_without_pictures_is_refused(tmp_path, content):
    root = tmp_path / "pictures"
    if content:
        root.mkdir()
    if content == "text":
        (root / "notes.txt").write_text("no picture")
    if content == "broken":
        (root / "a.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match="data.root="):
        DATASETS["folder"](Folder(root=str(root)))


def test_mnist_files_that_are_missing_truncated_or_others_are_refused(tmp_path):
    options = TorchvisionImages("mnist", str(tmp_path))
    with pytest.raises(BadInput, match="holds no MNIST/raw"):
        DATASETS["mnist"](options)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    with pytest.raises(BadInput, match="cannot be read there"):
        DATASETS["mnist"](options)
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (10, 28, 28))
    labels = bytes([0, 0, 8, 1]) + (10).to_bytes(4, "big") + bytes(10)
    for part in ("train", "t10k"):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + bytes(5 * 784))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(BadInput, match=r"cannot be read there.*data=mnist5k"):
        DATASETS["mnist"](options)
    (raw / "train-images-idx3-ubyte").write_bytes(header + bytes(60_000 * 784))
    (raw / "train-labels-idx1-ubyte").write_bytes(labels[:8] + bytes(60_000))
    with pytest.raises(BadInput, match="are not the training images of MNIST"):
        DATASETS["mnist"](options)
