"""The built-in workload: 360 handwritten digits that the built-in network has never seen.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository (CC BY 4.0), as bundled with scikit-learn; `examples/digits/train.py` makes the split.
"""

import io
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from PIL import Image

from tailmark.workload.arrays import read_npz
from tailmark.workload.base import Samples, digest


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Grey images of 8 × 8, scaled to 0–1, of shape (1, 8, 8) and type float32; ten classes."""

    def open(self) -> Samples:
        """Read the packaged arrays."""
        with as_file(files("tailmark") / "data" / "digits.npz") as path:
            held = read_npz(path)
        images = held["images"]

        def thumbnail(index: int) -> bytes:
            grey = (255 - images[index].astype(np.uint16) * 255 // 16).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(grey).resize((48, 48), Image.Resampling.NEAREST).save(buffer, "PNG")
            return buffer.getvalue()

        return Samples(
            ids=tuple(f"digit-{i:03}" for i in range(len(images))),
            load=lambda index: images[index],
            prepare=lambda raw: (raw.astype(np.float32) / np.float32(16))[None],
            fingerprint=digest([images.tobytes()]),
            references=held["labels"].astype(np.int64),
            classes=10,
            thumbnail=thumbnail,
        )

    def describe(self) -> dict[str, Any]:
        """Nothing to set."""
        return {"kind": "digits"}
