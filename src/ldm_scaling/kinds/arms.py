"""What is done against the bias of tones, as tables name it."""

from __future__ import annotations

PLAIN = "plain"
GUIDED = "guided"
"""distribution guidance, by its strength"""
BEST_OF_TWO = "best_of_two"
"""two images of each prompt; the quota of the predicted tone keeps one"""
CANDIDATES = 2
"""images of a prompt of `BEST_OF_TWO`; each takes all steps"""
BALANCED_TRAINING = "balanced_training"
"""nothing at sampling: the model's training images have the wanted shares"""
ARMS = {
    PLAIN: "as trained",
    GUIDED: "distribution guidance",
    BEST_OF_TWO: "best of two by quota",
    BALANCED_TRAINING: "balanced training",
}
"""with what readers know them as"""
