"""Make the data and the model of the built-in digits example.

The script trains a small convolutional network on handwritten digits. It writes two files:
`digits.npz` holds the 360 test images and their labels, and `digits.onnx` holds the network.
The network takes pixels scaled to 0..1 and enlarges each image to 32x32 inside the graph.
Seeds are fixed and training uses one thread, so two runs on one machine give the same files.

Data: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, from the UCI
Machine Learning Repository (https://doi.org/10.24432/C50P49), licence CC BY 4.0. scikit-learn
bundles the part used here: 1797 images of 8x8 pixels with values 0..16.

Needs: pip install torch==2.13.0 scikit-learn onnx onnxscript onnxruntime
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

SEED = 20
TEST_SIZE = 360
EPOCHS = 20
BATCH = 64
DEFAULT_OUT = Path(__file__).resolve().parents[2] / "src" / "tailmark" / "data"


def split() -> list[NDArray[np.uint8]]:
    """Load train images, test images, train labels and test labels, in this order."""
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    # Shuffles too. Each class has the same share in both parts.
    parts: list[NDArray[np.uint8]] = train_test_split(
        images, labels, test_size=TEST_SIZE, stratify=labels, random_state=SEED
    )
    return parts


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn pixel values 0..16 into network input of shape [batch, 1, 8, 8] in 0..1."""
    return images[:, None].astype(np.float32) / np.float32(16)


def build() -> nn.Sequential:
    """Build the untrained network. Few weights, but much work at 32x32."""
    return nn.Sequential(
        nn.Upsample(scale_factor=4, mode="bilinear"),
        nn.Conv2d(1, 48, 3, padding=1), nn.ReLU(),
        nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(48, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 4 * 4, 10),
    )  # fmt: skip


def augment(images: torch.Tensor) -> torch.Tensor:
    """Turn each image by up to 0.15 radians and shift it by up to 0.4 pixels."""
    angle = (torch.rand(len(images)) - 0.5) * 0.3
    shift = (torch.rand(len(images), 2) - 0.5) * 0.2
    cos, sin = angle.cos(), angle.sin()
    rows = [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def train(images: torch.Tensor, labels: torch.Tensor) -> nn.Sequential:
    """Train the network for a fixed number of epochs, with no choice made on the test images."""
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(images)), BATCH):
            loss = functional.cross_entropy(model(augment(images[rows])), labels[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return model.eval()


def export(model: nn.Sequential, path: Path) -> None:
    """Write the network as one ONNX file, without the exporter's notes.

    The notes hold stack traces, and so the paths of the machine that ran the export.
    """
    program = torch.onnx.export(
        model, (torch.zeros(2, 1, 8, 8),), input_names=["image"], output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("batch")},), dynamo=True, verbose=False,
    )  # fmt: skip
    assert program is not None
    proto = program.model_proto
    graph = proto.graph
    parts = [*graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info]
    for part in [proto, graph, *parts]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.checker.check_model(proto, full_check=True)
    onnx.save_model(proto, str(path))


def report(out: Path) -> None:
    """Print accuracy, file sizes and inference time, measured on the written files."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = out / "digits.onnx"
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    with np.load(out / "digits.npz") as data:
        images, labels = scale(data["images"]), data["labels"]
    right, times = 0, []
    for image, label in zip(images, labels, strict=True):
        start = time.perf_counter()
        (scores,) = session.run(["scores"], {"image": image[None]})
        times.append((time.perf_counter() - start) * 1e3)
        right += int(np.argmax(scores) == label)
    print(f"test accuracy {right / len(labels):.4f} ({right} of {len(labels)})")
    for name in ("digits.npz", "digits.onnx"):
        print(f"{name} {(out / name).stat().st_size} bytes")
    print(f"median inference time {np.median(times):.3f} ms")


def main() -> None:
    """Train, write both files and print what they measure."""
    parser = argparse.ArgumentParser(description="Make the data and the model of the example.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write into")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train_images, test_images, train_labels, test_labels = split()
    np.savez_compressed(out / "digits.npz", images=test_images, labels=test_labels)
    model = train(torch.from_numpy(scale(train_images)), torch.from_numpy(train_labels).long())
    export(model, out / "digits.onnx")
    report(out)


if __name__ == "__main__":
    main()
