"""Scaling studies of latent diffusion models: from data to figures."""

import os
import sys

# A command, `python -m ldm_scaling.ROOM.NAME`, looks for nothing in the network unless it fetches.
# Here, since libraries of the hub read this when they are imported, before options are parsed; and
# not in the environment of the workflow, which a workflow that includes it shares.
for _word in sys.orig_argv:
    if _word.startswith("ldm_scaling.") and ".fetch_" not in _word:
        os.environ["HF_HUB_OFFLINE"] = "1"
