"""What an ONNX model leaves to its opset's defaults, written out.

The default axis of ``Softmax`` and its kin was 1 until opset 13 and has been the last one since;
converters that know one rule only read older models by the wrong one.
"""

from pathlib import Path

from tailmark.conversion.onnx_graph import graphs, load, opset, save

_KIN = ("Softmax", "LogSoftmax", "Hardmax")


def write_explicit(source: Path, out: Path, kind: str) -> None:
    """Write the model with every ``Softmax`` axis said.

    Args:
        source: The ``.onnx`` file.
        out: The file to write.
        kind: The conversion that asks.

    Raises:
        ConversionError: The source cannot be read.
    """
    model = load(source, kind)
    import onnx

    default = 1 if opset(model) < 13 else -1
    for graph in graphs(model):
        for node in graph.node:
            said = {attribute.name for attribute in node.attribute}
            if node.op_type in _KIN and "axis" not in said:
                node.attribute.append(onnx.helper.make_attribute("axis", default))
    save(model, out)
