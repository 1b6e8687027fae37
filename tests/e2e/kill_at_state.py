"""Put beside a project's package as sitecustomize: kills the run that its process belongs to.

The folder that KILL_AT_STATE names holds a file for each kill that is still to come: RULE, as soon
as a job of the rule has saved a state, and RULE-within, while it does so. The job removes the file
and kills its whole process group. A test that watches the states from outside may come too late:
short jobs have ended by then.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

if waiting := os.environ.get("KILL_AT_STATE"):
    from ldm_scaling.jobs.workdir import WorkDir

    save_state = WorkDir.save

    def die_if_waited_for(moment: str) -> None:
        try:
            Path(waiting, moment).unlink()
        except FileNotFoundError:
            return  # not waited for, or another job of the rule was faster
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def save_and_die(self: WorkDir, position: int, write: Callable[[Path], None]) -> None:
        parts = self.path.parts
        rule = parts[parts.index("work") + 1]

        def write_and_die(path: Path) -> None:
            write(path)
            die_if_waited_for(f"{rule}-within")

        save_state(self, position, write_and_die)
        die_if_waited_for(rule)

    WorkDir.save = save_and_die
