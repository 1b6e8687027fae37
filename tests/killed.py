"""Sample a sweep that saves after every batch, and kill -9 it at its fourth save, within a cell."""

import os
import signal

from ldm_scaling.cells import sweep
from ldm_scaling.jobs.cli import run

if __name__ == "__main__":
    save, saves = sweep.WorkDir.save, []

    def save_and_die(self, *state):
        save(self, *state)
        saves.append(state)
        if len(saves) == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    sweep.WorkDir.save = save_and_die
    sweep.SAVE_SECONDS = 0
    run(sweep.main)
