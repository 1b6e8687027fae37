"""How jobs of several GPUs are started: by accelerate, without what its user once configured.

The options stand in the rules' shell text, which must not change, or every model is trained again.
A configuration file of our own takes the place of the user's ~/.cache/huggingface/accelerate.
"""

from __future__ import annotations

import shlex
from pathlib import Path

CONFIG = Path(__file__).with_name("accelerate.yaml")


def shell_function() -> str:
    """A shell function that gives accelerate its configuration file, for `shell.prefix`.

    Commands of other packages start accelerate as ever. There are no braces in it, since Snakemake
    formats a prefix.
    """
    config = shlex.quote(str(CONFIG)).replace("{", "{{").replace("}", "}}")
    return (
        'accelerate() ( case "$*" in (launch*" -m ldm_scaling."*) shift;'
        f' exec accelerate launch --config_file {config} "$@";; esac; exec accelerate "$@" ); '
    )
