"""What the configuration of a pipeline's scheduler says of flow matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_flow(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a scheduler, of a class of this name, is for flow matching."""
    return name.startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction"


def shift_of(config: Mapping[str, Any]) -> float:
    """The shift of the levels, which has another name in each class."""
    return config.get("flow_shift", config.get("shift", 1.0))
