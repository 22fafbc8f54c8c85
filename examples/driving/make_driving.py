"""Make the scenes and the model of the driving example.

The script renders simple road scenes and fits one network of three tasks to them, in the manner of
HybridNets (Vu et al., 2022): where other cars are, where the road is, where its lane markings are.
Everything is drawn by rule, so what the model reaches says nothing of real streets. It is small and
shallow on purpose: fixed features (principal components of patches, and their negatives, above
zero), and linear heads upon them, each a convolution whose kernel scikit-learn has fitted.

It writes `images/`, `boxes.json`, `masks/road/` and `masks/lane/` of the test scenes, and
`driving.onnx` with the outputs `objects` (1, 20, 6), `road` and `lane` (1, 1, 192, 320).
Seeds are fixed, so two runs on one machine give the same files.

Needs: pip install scikit-learn onnx onnxruntime
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

SEED = 7
TRAIN, TEST = 120, 60
WIDTH, HEIGHT = 320, 192
PATCH, CELL = 8, 4
COMPONENTS = 24
SIDE = 7
FOUND = 20
CAR = 1
DEFAULT_OUT = Path(__file__).resolve().parent / "made"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """What a camera sees, and what is there.

    Args:
        image: Shape (height, width, 3), uint8.
        road: Where the road is seen, shape (height, width).
        lane: Where its markings are seen, likewise.
        boxes: Of the cars: x, y, width, height in pixels.
    """

    image: NDArray[np.uint8]
    road: NDArray[np.bool_]
    lane: NDArray[np.bool_]
    boxes: NDArray[np.float64]


def render(rng: np.random.Generator) -> Scene:
    """Draw a straight road with two or three lanes and up to seven cars, in some light."""
    horizon, vanishing = rng.integers(60, 80), rng.uniform(120, 200)
    middle, half = rng.uniform(130, 190), rng.uniform(130, 190)
    lanes = int(rng.integers(2, 4))
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    near = np.maximum(y - horizon, 0) / (HEIGHT - 1 - horizon)  # 0 at the horizon, 1 at the bottom
    across = (x - vanishing - (middle - vanishing) * near) / np.maximum(half * near, 1e-6)
    road = (near > 0) & (np.abs(across) < 1)
    lane = np.zeros_like(road)
    dashes = (1 / np.maximum(near, 1e-6) + rng.uniform()) % 0.6 < 0.3
    for number, place in enumerate(np.linspace(-0.94, 0.94, lanes + 1)):
        solid = number in (0, lanes)
        lane |= road & (near > 0.1) & (np.abs(across - place) < 0.028) & (dashes | solid)
    image = _ground(rng, y, near, road)
    image[lane] = rng.uniform(200, 250, 3) * (1, 1, rng.choice([0.6, 1]))
    boxes: list[tuple[float, float, float, float]] = []
    for depth in np.sort(rng.uniform(0.16, 0.8, rng.integers(1, 8))):
        width = 1.25 * half * depth / lanes
        place = -0.94 + 1.88 * (rng.integers(lanes) + 0.5) / lanes
        left = vanishing + (middle - vanishing + place * half) * depth - width / 2
        bottom = horizon + depth * (HEIGHT - 1 - horizon)
        box = _clipped(left, bottom - 0.8 * width, left + width, bottom)
        if box[2] < 0.7 * width or any(_overlap(box, other) > 0.1 for other in boxes):
            continue
        boxes.append(box)
        _draw_car(image, rng, box)
        left, top, width, height = map(int, box)
        for mask in (road, lane):
            mask[top : top + height, left : left + width] = False
    light = rng.uniform(0.55, 1.15) + rng.uniform(-0.15, 0.15) * (x / WIDTH - 0.5)
    seen = image * light[..., None] * rng.uniform(0.94, 1.06, 3)
    seen += rng.normal(0, rng.uniform(4, 10), seen.shape)
    return Scene(np.clip(seen, 0, 255).astype(np.uint8), road, lane, np.array(boxes).reshape(-1, 4))


def _ground(
    rng: np.random.Generator,
    y: NDArray[np.float64],
    near: NDArray[np.float64],
    road: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Sky, grass and asphalt."""
    sky = rng.uniform((130, 160, 190), (190, 205, 235)) - 0.4 * (80 - y[..., None])
    coarse = rng.normal(0, 14, (HEIGHT // 4, WIDTH // 4, 1)).repeat(4, 0).repeat(4, 1)
    grass = rng.uniform((60, 90, 40), (110, 140, 70)) + coarse
    asphalt = rng.uniform(75, 120) + coarse / 4
    return np.where(near[..., None] == 0, sky, np.where(road[..., None], asphalt, grass))


def _draw_car(
    image: NDArray[np.float64], rng: np.random.Generator, box: tuple[float, float, float, float]
) -> None:
    """From behind: a body with a window, two lights and two tyres, and its shadow."""
    left, top, width, height = map(int, box)
    colour = rng.uniform(20, 230, 3)
    parts: list[tuple[float, float, float, float, Any]] = [
        (-0.04, 0.9, 1.08, 0.16, (25, 25, 28)),
        (0, 0, 1, 0.92, colour),
        (0.14, 0.08, 0.72, 0.32, (45, 55, 65)),
        (0.02, 0.5, 0.16, 0.14, (200, 30, 25)),
        (0.82, 0.5, 0.16, 0.14, (200, 30, 25)),
        (0.05, 0.86, 0.2, 0.14, (15, 15, 15)),
        (0.75, 0.86, 0.2, 0.14, (15, 15, 15)),
    ]
    for x, y, across, down, paint in parts:
        rows = slice(max(round(top + y * height), 0), max(round(top + (y + down) * height), 0))
        columns = slice(max(round(left + x * width), 0), max(round(left + (x + across) * width), 0))
        image[rows, columns] = paint


def _clipped(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float]:
    """x, y, width, height of what is in the image, in whole pixels."""
    x1, x2 = np.clip(np.round((x1, x2)), 0, WIDTH)
    y1, y2 = np.clip(np.round((y1, y2)), 0, HEIGHT)
    return float(x1), float(y1), float(x2 - x1), float(y2 - y1)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """The intersection as a share of the smaller."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(across, 0) * max(down, 0) / min(a[2] * a[3], b[2] * b[3])


def as_input(scenes: list[Scene]) -> Floats:
    """What the network takes: shape (scenes, 3, height, width), from 0 to 1."""
    images = np.stack([scene.image for scene in scenes]).transpose(0, 3, 1, 2)
    return images.astype(np.float32) / np.float32(255)


@dataclass
class Network:
    """An ONNX graph in the making, that can be run as far as it has come.

    Args:
        nodes: In order.
        weights: What they need.
    """

    nodes: list[onnx.NodeProto]
    weights: list[onnx.TensorProto]

    def add(
        self,
        operator: str,
        inputs: Sequence[str | NDArray[Any]],
        outputs: tuple[str, ...] = (),
        **attributes: Any,
    ) -> str:
        """One more node; arrays among its inputs become weights.

        Returns:
            The name of its first output, a new one if none is given.
        """
        name = f"{operator}{len(self.nodes)}"
        names = []
        for number, given in enumerate(inputs):
            if not isinstance(given, str):
                self.weights.append(numpy_helper.from_array(given, f"{name}.{number}"))
            names.append(given if isinstance(given, str) else f"{name}.{number}")
        outputs = outputs or (name,)
        self.nodes.append(helper.make_node(operator, names, outputs, **attributes))
        return outputs[0]

    def model(self, outputs: dict[str, list[int]]) -> onnx.ModelProto:
        """A model that gives these, of these shapes."""
        graph = helper.make_graph(
            self.nodes,
            "driving",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        onnx.checker.check_model(model, full_check=True)
        return model

    def run(self, name: str, shape: list[int], images: Floats) -> Floats:
        """What a node gives for each image."""
        session = ort.InferenceSession(self.model({name: shape}).SerializeToString())
        return np.concatenate([session.run([name], {"image": one[None]})[0] for one in images])


def components(images: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The principal components of patches and their negatives, as a convolution.

    Returns:
        Kernels, shape (2 · components, 3, patch, patch), and biases.
    """
    patches = []
    for image in images:
        y, x = rng.integers(HEIGHT - PATCH, size=200), rng.integers(WIDTH - PATCH, size=200)
        windows = sliding_window_view(image, (PATCH, PATCH), axis=(1, 2))
        patches.append(windows[:, y, x].transpose(1, 0, 2, 3).reshape(200, -1))
    pca = PCA(COMPONENTS, whiten=True, svd_solver="full").fit(np.concatenate(patches))
    kernels = pca.components_ / np.sqrt(pca.explained_variance_)[:, None]
    biases = -kernels @ pca.mean_
    both = np.concatenate([kernels, -kernels]).reshape(-1, 3, PATCH, PATCH)
    return both.astype(np.float32), np.concatenate([biases, -biases]).astype(np.float32)


def places(height: int, width: int) -> Floats:
    """Where a cell is: x, y, and their products; shape (5, height, width)."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.stack([x, y, x * x, x * y, y * y])


def windows_of(features: Floats, side: int) -> Floats:
    """What a convolution sees of each cell, and its place: shape (images, height, width, seen)."""
    images, _, height, width = features.shape
    pad = side // 2
    padded = np.pad(features, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    seen = sliding_window_view(padded, (side, side), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    place = np.broadcast_to(places(height, width).transpose(1, 2, 0), (images, height, width, 5))
    return np.concatenate([seen.reshape(images, height, width, -1), place], axis=3)


def add_head(
    network: Network, source: str, shape: tuple[int, ...], side: int, heads: list[Ridge]
) -> str:
    """Linear models as one convolution and a map of what the place alone adds.

    Args:
        network: To which it is added.
        source: The features.
        shape: Theirs: channels, height, width.
        side: Of the kernel.
        heads: One after another, each of one or several outputs.
    """
    channels, height, width = shape
    slopes = np.concatenate([np.atleast_2d(head.coef_) for head in heads]).astype(np.float32)
    offsets = np.concatenate([np.atleast_1d(head.intercept_) for head in heads])
    kernel, of_place = slopes[:, :-5], slopes[:, -5:]
    bias = np.einsum("op,phw->ohw", of_place, places(height, width)) + offsets[:, None, None]
    seen = network.add(
        "Conv",
        [source, np.ascontiguousarray(kernel.reshape(-1, channels, side, side))],
        pads=[side // 2] * 4,
    )
    return network.add("Add", [seen, bias[None].astype(np.float32)])


def fit_masks(network: Network, source: str, images: Floats, scenes: list[Scene]) -> None:
    """Two heads that see three by three cells and score each pixel of the middle one."""
    shape = (2 * COMPONENTS, HEIGHT // CELL, WIDTH // CELL)
    rng = np.random.default_rng(SEED)
    features = network.run(source, [1, *shape], images)
    seen, wanted = [], []
    for one, scene in zip(features, scenes, strict=True):
        chosen = rng.choice(shape[1] * shape[2], 400, replace=False)
        seen.append(windows_of(one[None], 3).reshape(-1, 9 * shape[0] + 5)[chosen])
        both = np.stack([scene.road, scene.lane]).reshape(2, shape[1], CELL, shape[2], CELL)
        wanted.append(both.transpose(1, 3, 0, 2, 4).reshape(-1, 2 * CELL * CELL)[chosen])
    head = Ridge(alpha=10.0).fit(np.concatenate(seen), np.concatenate(wanted).astype(np.float32))
    scores = add_head(network, source, shape, 3, [head])
    pixels = network.add("DepthToSpace", [scores], blocksize=CELL, mode="CRD")
    network.add("Split", [pixels, np.array([1, 1])], ("road", "lane"), axis=1)


def centres_of(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where in the image each cell's middle lies: x and y in pixels, shape (height, width)."""
    y, x = np.mgrid[:height, :width] + 0.5
    return x * WIDTH / width, y * HEIGHT / height


def wanted_of(
    scene: Scene, height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the head for cars is to say.

    Returns:
        How near each cell is to the middle of a car, from 0 to 1, shape (height, width); and how
        far left, up, right and down that car reaches from it, in pixels, shape (height, width, 4).
    """
    x, y = centres_of(height, width)
    nearness, reach = np.zeros((height, width)), np.zeros((height, width, 4))
    for left, top, across, down in scene.boxes:
        dx, dy = (x - left - across / 2) / across, (y - top - down / 2) / down
        near = np.exp(-(dx**2 + dy**2) / (2 * 0.15**2))
        mine = near > nearness
        edges = np.stack([x - left, y - top, left + across - x, top + down - y], axis=2)
        nearness[mine], reach[mine] = near[mine], edges[mine]
    return nearness, reach


def fit_objects(network: Network, source: str, images: Floats, scenes: list[Scene]) -> None:
    """Two heads on coarser cells: how near a car's middle is, and where its edges are."""
    shape = (2 * COMPONENTS, HEIGHT // CELL // 2, WIDTH // CELL // 2)
    coarse = network.add("AveragePool", [source], kernel_shape=[2, 2], strides=[2, 2])
    rng = np.random.default_rng(SEED)
    seen, wanted, edges = [], [], []
    for one, scene in zip(network.run(coarse, [1, *shape], images), scenes, strict=True):
        nearness, reach = wanted_of(scene, *shape[1:])
        chosen = (nearness > 0.1) | (rng.uniform(size=nearness.shape) < 0.15)
        seen.append(windows_of(one[None], SIDE)[0][chosen])
        wanted.append(nearness[chosen])
        edges.append(reach[chosen])
    every, near = np.concatenate(seen), np.concatenate(wanted)
    middle = near > 0.4
    is_car = Ridge(alpha=100.0).fit(every, near)
    reaches = Ridge(alpha=1000.0).fit(every[middle], np.concatenate(edges)[middle])
    maps = add_head(network, coarse, shape, SIDE, [is_car, reaches])
    add_peaks(network, maps, shape[1:])


def add_peaks(network: Network, maps: str, shape: tuple[int, ...]) -> None:
    """The best cells that are no worse than their neighbours, as corners, score and category."""
    network.add("Split", [maps, np.array([1, 4])], ("near", "reach"), axis=1)
    highest = network.add("MaxPool", ["near"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    peak = network.add("Cast", [network.add("Equal", ["near", highest])], to=TensorProto.FLOAT)
    flat = network.add("Reshape", [network.add("Mul", ["near", peak]), np.array([1, -1])])
    network.add("TopK", [flat, np.array([FOUND])], ("scores", "cells"), axis=1)
    x, y = centres_of(*shape)
    middles = np.stack([x, y, x, y])[None].astype(np.float32)
    signs = np.array([-1, -1, 1, 1], np.float32).reshape(1, 4, 1, 1)
    corners = network.add("Add", [network.add("Mul", ["reach", signs]), middles])
    by_cell = network.add("Reshape", [corners, np.array([4, -1])])
    cells = network.add("Reshape", ["cells", np.array([-1])])
    found = network.add("Gather", [by_cell, cells], axis=1)
    parts: list[str | NDArray[Any]] = [
        network.add("Transpose", [found], perm=[1, 0]),
        network.add("Reshape", ["scores", np.array([FOUND, 1])]),
        np.full((FOUND, 1), CAR, np.float32),
    ]
    network.add("Unsqueeze", [network.add("Concat", parts, axis=1), np.array([0])], ("objects",))


def fit(scenes: list[Scene]) -> onnx.ModelProto:
    """The network that these scenes teach."""
    images = as_input(scenes)
    kernels, biases = components(images, np.random.default_rng(SEED))
    network = Network([], [])
    pad = (PATCH - CELL) // 2
    seen = network.add("Conv", ["image", kernels, biases], strides=[CELL, CELL], pads=[pad] * 4)
    features = network.add("Relu", [seen])
    fit_objects(network, features, images, scenes)
    fit_masks(network, features, images, scenes)
    one = [1, 1, HEIGHT, WIDTH]
    return network.model({"objects": [1, FOUND, 6], "road": one, "lane": one})


def write(scenes: list[Scene], out: Path) -> None:
    """Images, label maps, and boxes in a file of COCO's form."""
    images, annotations = [], []
    for number, scene in enumerate(scenes):
        name = f"{number:02}.png"
        pictures = {"images": scene.image, "masks/road": scene.road, "masks/lane": scene.lane}
        for folder, values in pictures.items():
            (out / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(out / folder / name)
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        annotations += [
            {"image_id": number, "category_id": CAR, "bbox": box} for box in scene.boxes.tolist()
        ]
    categories = [{"id": CAR, "name": "car"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (out / "boxes.json").write_text(json.dumps(content), encoding="utf-8")


def main() -> None:
    """Render, fit, and write everything."""
    parser = argparse.ArgumentParser(description="Make the scenes and the model of the example.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write into")
    out: Path = parser.parse_args().out
    rng = np.random.default_rng(SEED)
    scenes = [render(rng) for _ in range(TRAIN + TEST)]
    write(scenes[TRAIN:], out)
    onnx.save(fit(scenes[:TRAIN]), out / "driving.onnx")
    print(f"{TEST} scenes and a model of {(out / 'driving.onnx').stat().st_size} bytes in {out}")


if __name__ == "__main__":
    main()
