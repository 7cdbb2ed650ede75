"""The ONNX operators of `core.pose.streams`: joint and motion points of the parts, from a view's points."""

from dataclasses import dataclass, replace

from onnx import TensorProto

from core.exchange.graph_writer import GraphWriter, Value
from core.exchange.onnx_network import Parts
from core.pose.skeleton import LEFT_HAND, LEFT_SHOULDER, RIGHT_HAND, RIGHT_SHOULDER, TRUNK
from core.pose.streams import CROP_CENTRE, HAND_SIZE, NARROWEST_SHOULDERS, SMALLEST_HAND
from core.specs.pretraining import EncoderConfig


def streams(
    graph: GraphWriter, points: Value, hand_visible: Value, config: EncoderConfig
) -> dict[str, Parts]:
    """Write the streams of `config.streams` of points (B, T, 49, 2); returns their parts by name."""
    masked = config.missing_hands == "masked"
    right, left, trunk = (
        graph.slice(points, 2, part.start, part.stop) for part in (RIGHT_HAND, LEFT_HAND, TRUNK)
    )
    has_trunk = _has_points(graph, trunk)
    if config.hand_origin == "points":
        right, left = about_own_points(graph, right), about_own_points(graph, left)
    if config.trunk_origin == "shoulders":
        trunk = _about_shoulders(graph, trunk)
    num_frames = graph.slice(graph.apply("Shape", points), 0, 1, 2)
    joint = Parts(right, left, trunk, hand_visible, num_frames, has_trunk)
    if masked:
        joint = _hands_shown(graph, joint, hand_visible, centre=CROP_CENTRE)
    made = {"joint": joint}
    if "motion" in config.streams:
        difference = _Difference(graph, backward=config.motion_difference == "backward")
        moved = replace(
            joint,
            right_hand=difference.of(joint.right_hand),
            left_hand=difference.of(joint.left_hand),
            trunk=difference.of(joint.trunk),
        )
        if masked:
            moved = _hands_shown(graph, moved, difference.shown_in_both(hand_visible))
        made["motion"] = moved
    return {stream: made[stream] for stream in config.streams}


@dataclass(frozen=True)
class _Difference:
    """Differences in time, along axis 1."""

    graph: GraphWriter
    backward: bool

    def of(self, points: Value) -> Value:
        """Write the difference of points (B, T, V, 2); a frame without the other one gets 0."""
        other = self._other(points, self._end(points))
        return self.graph.apply("Sub", *((points, other) if self.backward else (other, points)))

    def shown_in_both(self, shown: Value) -> Value:
        """Write which hands (B, T, 2) are shown in both frames of a difference."""
        never = self.graph.apply("Xor", self._end(shown), self._end(shown))
        return self.graph.apply("And", self._other(shown, never), shown)

    def _end(self, frames: Value) -> Value:
        """Return the frame that has no other one: the first one or the last one."""
        return self.graph.slice(frames, 1, 0, 1) if self.backward else self.graph.slice(frames, 1, -1)

    def _other(self, frames: Value, beyond: Value) -> Value:
        """Return the frame before or after each one, and `beyond` at the end."""
        if self.backward:
            return self.graph.slice(self.graph.concat([beyond, frames], axis=1), 1, 0, -1)
        return self.graph.slice(self.graph.concat([frames, beyond], axis=1), 1, 1)


def _has_points(graph: GraphWriter, trunk: Value) -> Value:
    """Write which trunks (B, T, 7, 2) have a point other than (0, 0), (B, 1)."""
    sizes = graph.reshape(graph.apply("Abs", trunk), 0, -1)
    return graph.apply("Greater", graph.reduce("ReduceMax", sizes, 1, keep=True), graph.number(0))


def about_own_points(graph: GraphWriter, hand: Value) -> Value:
    """Put a hand (B, T, 21, 2) at the centre of its crop, in one size, by its points other than (0, 0)."""
    farthest = graph.reduce("ReduceMax", graph.apply("Abs", hand), 3, keep=True)  # (B, T, 21, 1)
    there = graph.apply("Cast", graph.apply("Greater", farthest, graph.number(0)), to=TensorProto.FLOAT)
    count = graph.reduce("ReduceSum", there, 2, keep=True)  # (B, T, 1, 1)
    divisor = graph.apply("Max", count, graph.number(1))
    mean = graph.apply("Div", graph.reduce("ReduceSum", hand, 2, keep=True), divisor)
    apart = graph.apply("Mul", graph.apply("Sub", hand, mean), there)
    of_axes = graph.reduce("ReduceMean", graph.apply("Mul", apart, apart), 3, keep=True)
    square = graph.apply("Div", graph.reduce("ReduceSum", of_axes, 2, keep=True), divisor)
    size = graph.apply("Max", graph.apply("Sqrt", square), graph.number(SMALLEST_HAND))
    scaled = graph.apply("Mul", graph.apply("Div", apart, size), graph.number(HAND_SIZE))
    placed = graph.apply("Add", scaled, graph.number(CROP_CENTRE))
    return graph.apply("Mul", placed, graph.apply("Min", count, graph.number(1)))


def _about_shoulders(graph: GraphWriter, trunk: Value) -> Value:
    """Centre the trunk (B, T, 7, 2) on its shoulders and scale it to their width, both means over frames."""
    left, right = (graph.slice(trunk, 2, joint, joint + 1) for joint in (LEFT_SHOULDER, RIGHT_SHOULDER))
    between = graph.apply("Mul", graph.apply("Add", left, right), graph.number(0.5))
    middle = graph.reduce("ReduceMean", between, 1, keep=True)  # (B, 1, 1, 2)
    distance = graph.reduce("ReduceL2", graph.apply("Sub", left, right), 3, keep=True)
    width = graph.reduce("ReduceMean", distance, 1, keep=True)  # (B, 1, 1, 1)
    known = graph.apply("Greater", width, graph.number(NARROWEST_SHOULDERS))
    middle = graph.apply("Where", known, middle, graph.number(0))
    width = graph.apply("Where", known, width, graph.number(1))
    return graph.apply("Div", graph.apply("Sub", trunk, middle), width)


def _hands_shown(graph: GraphWriter, parts: Parts, shown: Value, *, centre: float = 0.0) -> Parts:
    """Centre the hands, and set them to 0 in frames where they are not shown (B, T, 2)."""
    weights = graph.apply("Cast", shown, to=TensorProto.FLOAT)
    hands = []
    for number, hand in enumerate((parts.right_hand, parts.left_hand)):
        weight = graph.unsqueeze(graph.slice(weights, 2, number, number + 1), 3)  # (B, T, 1, 1)
        moved = graph.apply("Sub", hand, graph.number(centre)) if centre else hand
        hands.append(graph.apply("Mul", moved, weight))
    return replace(parts, right_hand=hands[0], left_hand=hands[1])
