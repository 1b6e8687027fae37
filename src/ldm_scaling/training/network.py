"""The type of networks of diffusers and transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from torch import nn

if TYPE_CHECKING:

    class Network(nn.Module):
        """A torch module with more attributes than the types of its library say."""

        def __getattr__(self, name: str) -> Any: ...

        def to(self, *_: Any, **__: Any) -> Self:
            """Torch's, with its memory format."""
            ...

        @classmethod
        def from_config(cls, *_: Any, **__: Any) -> Self:
            """Diffusers' untrained network."""
            ...
else:
    Network = nn.Module
