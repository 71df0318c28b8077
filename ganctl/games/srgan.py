"""Super-resolution by a GAN: images from smaller ones (Ledig et al. 2017, SRGAN, arXiv:1609.04802)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganctl.data import Dataset, Samples
from ganctl.errors import BadInput
from ganctl.games.contest import Contest
from ganctl.games.game import Batch, Game, Parts, Player, chosen_from, evaluating
from ganctl.games.inputs import Inputs
from ganctl.games.metric import GameMetric, known
from ganctl.metrics import luminance, psnr, ssim
from ganctl.metrics.restoration import WINDOW
from ganctl.models import Discriminator, Pretrained, Role, Translator


class Srgan(Game):
    """A generator that enlarges images, and a discriminator of images at the full resolution.

    The low resolution is made from real images by `degrade`. A run has two phases: in the first the generator minimizes
    the mean squared error alone ("SRResNet"), and the discriminator sits out; in the second, J(G) is the content
    distance plus the weighted adversarial term (eq. 3).

    Args:
        parts: its networks are "generator", "discriminator", with a first phase "error_phase", which keeps the weights
            after it, and with content="classifier" or "vgg19" the "content" network.
        factor: enlargement: 2, 4 or 8.
        pretrain_steps: steps of the first phase.
        content: where the content distance is measured: "pixels" (eq. 4), or in the features of the data set's
            "classifier" or of "vgg19" (after eq. 5), there beside the pixels; all are means over elements.
        content_weight: weight of the distance in features.
        content_file: weights of VGG-19; None: they are downloaded.
        adversarial_weight: weight of the adversarial term.
        border: pixels at each border that PSNR and SSIM leave out.
    """

    sampled: tuple[str, ...] = ("generator",)
    draws_from = "held_out"
    offers: tuple[str, ...] = ("label_agreement", "feature_distance")
    metrics: Mapping[str, GameMetric] = MappingProxyType({
        "psnr": known("psnr"), "ssim": known("ssim", least=-1, most=1), "consistency": known("consistency"),
    })  # fmt: skip

    def __init__(
        self,
        parts: Parts,
        factor: int = 4,
        pretrain_steps: int = 1500,
        content: str = "pixels",
        content_weight: float = 1.0,
        content_file: str | None = None,
        adversarial_weight: float = 0.001,
        border: int = 0,
    ) -> None:
        del content, content_file  # the content network is built from them
        self.networks = parts.networks
        self.generator, self.before = parts.networks["generator"], parts.networks.get("error_phase")
        self.content: nn.Module | None = parts.networks.get("content")
        self.contest = Contest(parts.networks["discriminator"], parts.loss, parts.penalties, parts.streams)
        self.contests = {"": self.contest}
        self.held_out, self.factor, self.pretrain_steps, self.border = parts.held_out, factor, pretrain_steps, border
        self.content_weight, self.adversarial_weight = content_weight, adversarial_weight
        self.stages = (("error phase", 1), ("adversarial phase", pretrain_steps + 1)) if pretrain_steps else ()

    @staticmethod
    def asks(options: Any, dataset: Dataset, latent_dim: int) -> dict[str, Role]:
        """A generator from the low to the full resolution, twice, a discriminator, and perhaps a content network.

        Raises:
            BadInput: the data are no images, or their sides are no multiples of the factor.
        """
        del latent_dim
        shape, factor = dataset.shape, options.factor
        if len(shape) != 3:
            raise BadInput("game=srgan: enlarges images, and this data set holds points; choose data=mnist5k")
        if any(side % factor or side < 2 * factor for side in shape[1:]):
            raise BadInput(
                f"game.factor={factor}: {shape[1]}x{shape[2]} pixels are no multiple of it; choose another "
                "factor, or another data.image_size"
            )
        if min(shape[1:]) - 2 * options.border < WINDOW:
            raise BadInput(
                f"game.border={options.border}: leaves less than the {WINDOW} pixels that SSIM needs, of "
                f"{min(shape[1:])}; use a smaller border, or larger images"
            )
        low = (shape[0], *(side // factor for side in shape[1:]))
        roles: dict[str, Role] = {"generator": Translator(low, shape), "discriminator": Discriminator(shape)}
        if options.pretrain_steps:
            roles["error_phase"] = Translator(low, shape)
        if options.content == "pixels":
            return roles
        return roles | {"content": Pretrained(options.content, options.content_file)}

    def players(self) -> dict[str, Player]:
        """The discriminator, which sits out the first phase, then the generator."""
        return {
            "discriminator": Player(
                ("discriminator",),
                self.discriminator_loss,
                turns=lambda step: int(step > self.pretrain_steps),
                fresh_batch=True,
                after_turn=self.contest.after_turn,
            ),
            "generator": Player(("generator",), self.generator_loss),
        }

    def begin_step(self, step: int) -> None:
        """From the second phase on, the generator after the first phase is a rival too."""
        rivals = {"bicubic": lambda inputs: self.bicubic(inputs.images["low"])}
        if 0 < self.pretrain_steps < step:
            rivals["error phase"] = lambda inputs: self._before(inputs.images["low"])
        self.rivals = rivals

    def degrade(self, images: Tensor) -> Tensor:
        """The low resolution of images within the value range: bicubic with antialiasing, rounded to 8 bits."""
        low, high = self.value_range
        shrunk = interpolate(images, scale_factor=1 / self.factor, mode="bicubic", antialias=True)
        return ((shrunk.clamp(low, high) - low) * (255 / (high - low))).round() * ((high - low) / 255) + low

    def bicubic(self, low: Tensor) -> Tensor:
        """Images of a low resolution enlarged by bicubic interpolation, the method to beat."""
        return interpolate(low, scale_factor=float(self.factor), mode="bicubic").clamp(*self.value_range)

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """J(D) on the batch and on its enlarged low resolution, and the penalty terms."""
        if self.before is not None and batch.turn == 1:  # the first phase has just ended
            self.before.load_state_dict(self.generator.state_dict())
        real, fake = self.contest.judge(batch.real, self.generator(self.degrade(batch.real)))
        return self.contest.discriminator_terms(batch, real, fake)

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """The content distance, and in the second phase the weighted adversarial term."""
        made = self.generator(self.degrade(batch.real))
        if batch.turn <= self.pretrain_steps:
            return {"content": _squared_error(made, batch.real)}
        terms = {"content": _squared_error(made, batch.real)}
        if self.content is not None:
            features = (self.content(_within_one(images, self.value_range))[0] for images in (made, batch.real))
            terms["features"] = self.content_weight * _squared_error(*features)
        term = self.contest.generator_term(batch, self.contest.look(made), batch.real)
        return terms | {"adversarial": self.adversarial_weight * term}

    def draw(self, count: int, noise: torch.Generator) -> Inputs:
        """The low resolution of held-out images, chosen at random, with their classes."""
        real = chosen_from(self.held_out, count, noise, self.value_range)  # type: ignore[arg-type]
        return Inputs(images={"low": self.degrade(real.data), "target": real.data}, labels=real.labels)

    def generate(self, inputs: Inputs) -> Tensor:
        """Enlarges the low resolution."""
        return self.generator(inputs.images["low"])

    def upscale(self, low: Tensor) -> Tensor:
        """Images [N, C, h, w] of any size, within the value range, enlarged; no state changes."""
        with evaluating(self.generator):
            return self.generator(low)

    def compare(self, real: Samples) -> dict[str, Tensor]:
        """The low resolution, and what bicubic interpolation and the generator after each phase make of it."""
        low = self.degrade(real.data)
        rows = {"low": interpolate(low, scale_factor=float(self.factor))}
        rows |= {name: enlarge(Inputs(images={"low": low})) for name, enlarge in self.rivals.items()}
        return rows | {"generator": self.upscale(low), "images": real.data}

    def own_figures(self, real: Samples, noise: torch.Generator) -> dict[str, Tensor]:
        """PSNR, SSIM, and PSNR at the low resolution, of the generator and of its rivals; the images themselves."""
        del noise
        low = self.degrade(real.data)
        truth, found = self._measured(real.data), {"truth": self._bytes(real.data)}
        made = {name: enlarge(Inputs(images={"low": low})) for name, enlarge in self.rivals.items()}
        for name, images in {"": self.upscale(low), **made}.items():
            prefix = f"{name}/" if name else ""
            found |= {
                f"{prefix}psnr": psnr(self._measured(images), truth),
                f"{prefix}ssim": ssim(self._measured(images), truth),
                f"{prefix}consistency": psnr(self._unit(self.degrade(images)), self._unit(low)),
                f"{prefix}made": self._bytes(images),
                f"{prefix}truth": found["truth"],
            }
        return found

    def _before(self, low: Tensor) -> Tensor:
        """What the generator made after the first phase, by the weights of its last step, without averaging."""
        assert self.before is not None
        with evaluating(self.before):
            return self.before(low)

    def _bytes(self, images: Tensor) -> Tensor:
        """The images as they would be saved, uint8."""
        return (self._unit(images) * 255).round().clamp(0, 255).to(torch.uint8)

    def _unit(self, images: Tensor) -> Tensor:
        """The images with black at 0 and white at 1."""
        low, high = self.value_range
        return (images - low) / (high - low)

    def _measured(self, images: Tensor) -> Tensor:
        """The luminance of images in [0, 1], without the border."""
        y, edge = luminance(self._unit(images)), self.border
        return y[..., edge : y.shape[-2] - edge, edge : y.shape[-1] - edge]


def _squared_error(made: Tensor, real: Tensor) -> Tensor:
    return (made.float() - real.float()).square().mean()


def _within_one(images: Tensor, value_range: tuple[float, float]) -> Tensor:
    """Images within the value range, mapped to [-1, 1]."""
    low, high = value_range
    return (images - low) * (2 / (high - low)) - 1
