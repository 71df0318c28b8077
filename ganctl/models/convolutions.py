"""Faster convolutions, equal to torch's own, and batch norm that can split its batch."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, fold, linear


class PartedBatchNorm(nn.BatchNorm2d):
    """Batch norm that splits its input into `parts` equal parts and normalizes each as a batch of its own, in order."""

    parts = 1

    def forward(self, x: Tensor) -> Tensor:
        normalize = super().forward
        return normalize(x) if self.parts == 1 else torch.cat([normalize(part) for part in x.chunk(self.parts)])


class FromPoint(nn.ConvTranspose2d):
    """A transposed convolution of vectors [N, C, 1, 1] to maps [N, out, side, side], computed as a matrix product. This
    takes less than half of the time (docs/performance.md)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        weight = self.weight.permute(0, 2, 3, 1)  # the order in memory (channels last)
        maps = x.flatten(1) @ weight.flatten(1)
        return maps.view(-1, *weight.shape[1:]).permute(0, 3, 1, 2)


class ToPoint(nn.Conv2d):
    """A convolution of maps [N, C, side, side] with a kernel of the same size, to [N, out, 1, 1]: a matrix product."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        return linear(x.permute(0, 2, 3, 1).flatten(1), weight, self.bias)[:, :, None, None]


def add_up_patches(maps: Tensor, weight: Tensor) -> Tensor:
    """The transposed convolution (kernel 4, stride 2, padding 1) of maps [N, C, H, W] to images [N, 1, 2H, 2W].

    A matrix product gives a patch of 4x4 pixels per position of the maps; overlapping patches are added.
    """
    patches = maps.permute(0, 2, 3, 1).flatten(1, 2) @ weight.flatten(1)
    return fold(patches.transpose(1, 2), (2 * maps.shape[2], 2 * maps.shape[3]), 4, padding=1, stride=2)


class ToGray(nn.ConvTranspose2d):
    """A transposed convolution (kernel 4, stride 2, padding 1) of maps to images with one channel. On a CPU it uses
    `add_up_patches`, which takes a quarter of the time (docs/performance.md)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if not _unrounded(x):
            return super().forward(x)
        images = add_up_patches(x, self.weight)
        return images if self.bias is None else images + self.bias


class _ConvolveGray(torch.autograd.Function):
    """torch's convolution with a faster gradient with respect to the images."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return conv2d(images, weight, bias, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        images, weight = ctx.saved_tensors
        towards_images = add_up_patches(grad, weight) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:]):
            return towards_images, None, None
        _, *towards_weights = torch.ops.aten.convolution_backward(
            grad, images, weight, [len(weight)], [2, 2], [1, 1], [1, 1], False, [0, 0], 1, [False, True, True]
        )
        return towards_images, *towards_weights


class FromGray(nn.Conv2d):
    """A convolution (kernel 4, stride 2, padding 1) of images with one channel. On a CPU its gradient with respect to
    the images, a transposed convolution, is computed by `add_up_patches`."""

    def forward(self, x: Tensor) -> Tensor:
        return _ConvolveGray.apply(x, self.weight, self.bias) if _unrounded(x) else super().forward(x)


def _unrounded(x: Tensor) -> bool:
    """Whether `x` is on a CPU and will not be rounded to bfloat16 by `precision=bf16`."""
    return x.is_cpu and not torch.is_autocast_enabled("cpu")
