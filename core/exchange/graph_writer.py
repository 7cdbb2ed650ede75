"""Writes an ONNX graph operator by operator: values have names, and constants are stored in the file."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from core.errors import EncoderError

OPSET = 20
"""Version of the standard operators."""
IR_VERSION = 10
"""Version of the file format, that of ONNX 1.16."""

LARGEST_FILE = 2**31 - 2**20
"""Bytes of constants that a file can hold; the rest is for the operators."""

Value = str
"""Name of a tensor in the graph."""
Axes = Sequence[int]


class GraphWriter:
    """Collects the operators and constants of a graph."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, onnx.TensorProto] = {}

    def apply(self, operator: str, *inputs: Value, **attributes: Any) -> Value:
        """Add an operator with one output; returns its name."""
        (name,) = self.apply_many(operator, *inputs, outputs=1, **attributes)
        return name

    def apply_many(self, operator: str, *inputs: Value, outputs: int, **attributes: Any) -> tuple[Value, ...]:
        """Add an operator; returns the names of its outputs."""
        first = f"{operator.lower()}_{len(self._nodes)}"
        names = (first,) if outputs == 1 else tuple(f"{first}_{number}" for number in range(outputs))
        self._nodes.append(helper.make_node(operator, inputs, names, name=first, **attributes))
        return names

    def constant(self, value: Tensor | np.ndarray) -> Value:
        """Store a tensor, equal ones once."""
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        array = np.array(array, order="C")  # `ascontiguousarray` would give a scalar an axis
        key = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).digest()
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"constant_{len(self._constants)}")
        return self._constants[key].name

    def number(self, value: float) -> Value:
        """Store a float scalar."""
        return self.constant(np.array(value, dtype=np.float32))

    def integer(self, value: int) -> Value:
        """Store an integer scalar."""
        return self.constant(np.array(value, dtype=np.int64))

    def integers(self, *values: int) -> Value:
        """Store a list of integers, such as a shape."""
        return self.constant(np.array(values, dtype=np.int64))

    def reshape(self, value: Value, *shape: int) -> Value:
        """Change the shape; 0 keeps an axis, -1 takes what is left."""
        return self.apply("Reshape", value, self.integers(*shape))

    def transpose(self, value: Value, *axes: int) -> Value:
        """Reorder axes."""
        return self.apply("Transpose", value, perm=axes)

    def unsqueeze(self, value: Value, *axes: int) -> Value:
        """Insert axes of length 1."""
        return self.apply("Unsqueeze", value, self.integers(*axes))

    def slice(self, value: Value, axis: int, first: int, last: int = 2**62) -> Value:
        """Cut out positions first..last-1 of an axis."""
        bounds = (self.integers(bound) for bound in (first, last, axis))
        return self.apply("Slice", value, *bounds)

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Concatenate along an axis."""
        return values[0] if len(values) == 1 else self.apply("Concat", *values, axis=axis)

    def linear(self, x: Value, weight: Tensor, bias: Tensor) -> Value:
        """Multiply the last axis by `weight` (D, C), and add `bias` (D,)."""
        return self.apply("Add", self.apply("MatMul", x, self.constant(weight.t())), self.constant(bias))

    def reduce(self, operator: str, value: Value, axis: int, *, keep: bool) -> Value:
        """Reduce one axis by `ReduceSum`, `ReduceMean`, `ReduceMax` or `ReduceL2`."""
        return self.apply(operator, value, self.integers(axis), keepdims=int(keep))

    def model(
        self,
        inputs: Sequence[onnx.ValueInfoProto],
        output: onnx.ValueInfoProto,
        last: Value,
        *,
        producer: str,
    ) -> onnx.ModelProto:
        """Return the checked model; `last` becomes the output.

        Raises:
            EncoderError: the constants are larger than a file can be.
        """
        size = sum(constant.ByteSize() for constant in self._constants.values())
        if size > LARGEST_FILE:
            raise EncoderError(
                f"The encoder's weights are {size / 2**30:.2f} GiB, but an ONNX file holds at most 2 GiB. "
                "Export it with --format torch."
            )
        end = helper.make_node("Identity", [last], [output.name], name="output")
        graph = helper.make_graph(
            [*self._nodes, end], producer, inputs, [output], initializer=list(self._constants.values())
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], producer_name=producer, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def float_input(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    """Describe an input or output of floats; names are free axes."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def bool_input(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    """Describe an input of booleans."""
    return helper.make_tensor_value_info(name, TensorProto.BOOL, shape)
