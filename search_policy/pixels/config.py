"""Configuration of learning from pixels: the comment above a field is its help."""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError

TRAINING = {
    "cached": "pretrained on free labels, then frozen; embeddings are computed once",
    "end_to_end": "trained by the actor's loss; critics see its embeddings without gradient",
}
PROBABILITIES = ("jitter", "noise", "cutout", "blur")
NOT_NEGATIVE = ("noise_std", "blur_sigma_px", "brightness", "contrast", "saturation", "drac", "curl")


@dataclass(frozen=True, slots=True)
class PixelConfig:
    """What happens to images while training; acting sees them as they are."""

    # How the encoder learns: cached (pretrained on free labels, then frozen) or end_to_end (by the actor's loss)
    training: str = "cached"
    # Largest random shift, in pixels; 0 switches it off
    shift_px: int = 4
    # Share of images whose colours are jittered
    jitter: float = 0.0
    # Largest relative change of brightness, contrast and saturation by the jitter
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    # Largest turn of the hue by the jitter, as a share of the colour circle
    hue: float = 0.05
    # Share of images with Gaussian noise
    noise: float = 0.0
    # Largest standard deviation of the noise, as a share of the full range; each image draws its own
    noise_std: float = 0.05
    # Share of images with one grey rectangle cut out
    cutout: float = 0.0
    # Largest side of the rectangle, as a share of the image's
    cutout_size: float = 0.4
    # Share of images blurred by a Gaussian
    blur: float = 0.0
    # Largest standard deviation of the blur, in pixels; each image draws its own
    blur_sigma_px: float = 1.5
    # Weight of DrAC: the same policy and value on an image and on its augmented copy (end_to_end),
    # the same predictions of the free labels (cached); 0 switches it off
    drac: float = 0.0
    # Weight of CURL's contrastive loss between two augmented copies of an image; 0 switches it off
    curl: float = 0.0
    # Step of CURL's momentum encoder towards the encoder
    curl_momentum: float = 0.05
    # Folder of the features that a frozen backbone (network.encoder hf:DIR) computed; shared by all runs
    features: str = "runs/search/features"

    def __post_init__(self) -> None:
        if self.training not in TRAINING:
            raise UsageError.unknown("training of the encoder", self.training, TRAINING)
        self._check("a share in [0, 1]", [name for name in PROBABILITIES if not 0.0 <= getattr(self, name) <= 1.0])
        self._check("a number that is not negative", [n for n in NOT_NEGATIVE if not 0.0 <= getattr(self, n) < 1e6])
        self._check("at most 1", [n for n in ("brightness", "contrast", "saturation") if getattr(self, n) > 1.0])
        self._check("in [0, 0.5]", ["hue"] if not 0.0 <= self.hue <= 0.5 else [])
        self._check("in (0, 1]", [n for n in ("cutout_size", "curl_momentum") if not 0.0 < getattr(self, n) <= 1.0])
        self._check("in [0, 32] pixels", ["shift_px"] if not 0 <= self.shift_px <= 32 else [])

    def _check(self, expected: str, wrong: list[str]) -> None:
        if wrong:
            raise UsageError(f"pixels.{wrong[0]} must be {expected}, not {getattr(self, wrong[0])!r}.")
