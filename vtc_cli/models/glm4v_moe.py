"""The GLM-4.5V family (4.5V, 4.6V): GLM-4.1V whose decoder sends each row through a few of many experts."""

from __future__ import annotations

from vtc_cli.models.glm4v import Glm4v


class Glm4vMoe(Glm4v):
    """A loaded GLM-4.5V. checkpoint: its model is a `Glm4vMoeForConditionalGeneration`."""

    FAMILY = "glm4v-moe"
    ARCHITECTURE = "Glm4vMoeForConditionalGeneration"
