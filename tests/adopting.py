"""Tiny adopted pipelines, loaded as the jobs do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ldm_scaling.cells.adopted import PipelineSampler
from ldm_scaling.models import adopt
from ldm_scaling.models.encode_prompts import as_array
from ldm_scaling.study.adopted import AdoptedModel

SIDE, SHOWN = 32, 16
CAPTIONS = ["a red cat", "blue dog", "a small sign with a face"]


def cell(**other: Any) -> Any:
    """What a sampler reads of a cell."""
    own = {"steps": 4, "guidance": 3.0, "seed": 0, "sampler": "native", "schedule": "trailing"}
    return SimpleNamespace(**own | other)


class Adopted:
    """A pipeline in a folder, its sampler and its encoded prompts."""

    def __init__(self, name: str, folder: Path):
        self.model = AdoptedModel(name=name.replace("_", "-"), pretrained=str(folder), side=SIDE)
        self.layout = adopt.read_layout(self.model)
        text = adopt.load(self.model, text=True)
        encoded = adopt.encode(text, self.layout, self.model, CAPTIONS)
        self.prompts = {key: as_array(key, own) for key, own in encoded.items()}
        self.pipeline = adopt.load(self.model, text=False)
        parts = (self.pipeline, self.layout, self.prompts)
        self.sampler = PipelineSampler(*parts, SIDE, SHOWN)
        self.whole = PipelineSampler(*parts, SIDE, SIDE)
