"""How the Snakefile begins, wherever it is called from: the environment of its jobs and the study.

The workflow may be the main one, in the repository or with a working directory elsewhere, or a
module of another workflow.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from ..study.fields import StudyError
from ..study.hub import REPOSITORY
from ..study.load import load_study
from ..study.study import Study

CONFIG = "config.yaml"
ENVIRONMENT = str(REPOSITORY / "envs/ldm-scaling.yaml").replace("{", "{{").replace("}", "}}")
"""of conda; Snakemake formats it"""
IMAGE = str(REPOSITORY / "containers/ldm-scaling.sif").replace("{", "{{").replace("}", "}}")
"""of Apptainer, which the user builds; Snakemake formats it"""


def prepare(workflow: Any) -> None:
    """Let the jobs find the package, also in environments of their own.

    A job that was submitted to a cluster must see the GPUs that it asked for.
    """
    source = str(REPOSITORY / "src")
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [path for path in known if path not in ("", source)]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *others])
    if workflow.remote_exec:
        os.environ["LDM_SCALING_SUBMITTED"] = "1"


def configfile(workflow: Any) -> str:
    """The working directory's configuration, or the repository's; of a module the latter."""
    own = is_main(workflow) and Path(CONFIG).exists()
    return CONFIG if own else str(REPOSITORY / CONFIG)


def study_of(workflow: Any, config: dict[str, Any]) -> Study:
    """The study of a merged configuration; what it leaves open is as in the repository's.

    Prints a wrong one's error in one line and exits with status 2.
    """
    merged = load_configfile(str(REPOSITORY / CONFIG))
    update_config(merged, {key: config[key] for key in config if key != "pathvars"})
    try:
        if workflow.modifier.modify_path("results") != "results":
            raise StudyError("module: prefix is not supported; set pathvars: results=FOLDER")
        return load_study(merged)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def is_main(workflow: Any) -> bool:
    """Whether the workflow is not a module of another one."""
    return workflow.modifier.is_main_snakefile()
