"""How the Snakefile begins, wherever it is called from: the environment of its jobs and the study.

The workflow may be the main one, in the repository or with a working directory elsewhere, or a
module of another workflow.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from snakemake.common.configfile import load_configfile
from snakemake.settings.types import DeploymentMethod
from snakemake.shell import shell
from snakemake.utils import update_config

from ..study.fields import StudyError
from ..study.hub import REPOSITORY
from ..study.load import load_study
from ..study.study import Study
from . import launcher

CONFIG = "config.yaml"
MODULE = 2
"""the level of pathvars that a module statement or a configuration sets; a Snakefile's own is 3"""
ENVIRONMENT = str(REPOSITORY / "envs/ldm-scaling.yaml").replace("{", "{{").replace("}", "}}")
"""of conda; Snakemake formats it"""


def _prepare_environment(workflow: Any) -> None:
    """Let the jobs find the package, also in environments of their own, and start accelerate.

    A job that was submitted to a cluster must see the GPUs that it asked for. The rules of a
    workflow that includes this one keep their own shell prefix.
    """
    source = str(REPOSITORY / "src")
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [path for path in known if path not in ("", source)]
    os.environ["PYTHONPATH"] = os.pathsep.join([source, *others])
    if workflow.remote_exec:
        os.environ["LDM_SCALING_SUBMITTED"] = "1"
    if is_main(workflow):
        shell.prefix(f"set -euo pipefail; {launcher.shell_function()}")  # as ever without a prefix


def configfile(workflow: Any) -> str:
    """The working directory's configuration, or the repository's; of a module the latter."""
    own = is_main(workflow) and Path(CONFIG).exists()
    return CONFIG if own else str(REPOSITORY / CONFIG)


def begin(workflow: Any, config: dict[str, Any]) -> Study:
    """Prepare the environment of the jobs, and return the study of a merged configuration.

    What the configuration leaves open is as in the repository's. A workflow that includes this one
    may choose the folder of results, by its `pathvars`. A wrong study is a line on stderr, and exit
    status 2.
    """
    _prepare_environment(workflow)
    _warn_without_image(workflow)
    merged = load_configfile(str(REPOSITORY / CONFIG))
    update_config(merged, {key: config[key] for key in config if key != "pathvars"})
    try:
        if workflow.modifier.modify_path("results") != "results":
            raise StudyError("module: prefix is not supported; set pathvars: results=FOLDER")
        study = load_study(merged, workflow.configfiles if is_main(workflow) else ())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    for model in study.adopted.models if study.adopted else ():
        if model.lacks_revision:
            print(f"warning: config key adopted.models: {model.unnamed_commit}", file=sys.stderr)
    workflow.modifier.globals["config"] = config | merged  # captions of the report read it
    pathvars = workflow.pathvars
    chosen = pathvars.level["results"] <= MODULE
    return study.with_results(pathvars.get("results")) if chosen else study


def image(wildcards: Any) -> str | None:
    """The container of the jobs for `--sdm apptainer`, which the user builds; see docs/slurm.md.

    A function, since Snakemake reads braces of a path that it is given as wildcards. It refuses
    spaces, so that a repository whose path has any, called from elsewhere, has no container.
    """
    path = REPOSITORY / "containers/ldm-scaling.sif"
    named = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return None if re.search(r"\s", named) else named


def _warn_without_image(workflow: Any) -> None:
    asked = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
    if asked and image(None) is None:
        why = f"the path of the repository has a space: {REPOSITORY}"
        print(f"warning: jobs run without a container, since {why}", file=sys.stderr)


def is_main(workflow: Any) -> bool:
    """Whether the workflow is not a module of another one."""
    return workflow.modifier.is_main_snakefile()
