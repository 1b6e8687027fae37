"""Run a command that saves after every batch, and kill -9 it at one of its saves.

Words: the module below the package, which save, and those of the command.
"""

import importlib
import os
import signal
import sys

from ldm_scaling.cells import sweep
from ldm_scaling.jobs import pieces
from ldm_scaling.jobs.cli import run
from ldm_scaling.jobs.workdir import WorkDir

if __name__ == "__main__":
    module, last = sys.argv[1], int(sys.argv[2])
    del sys.argv[1:3]
    saves = []

    def dying_after(save):
        """The same, and the end of the process where it is the last one."""

        def save_and_die(self, *state):
            save(self, *state)
            saves.append(state)
            if len(saves) == last:
                os.kill(os.getpid(), signal.SIGKILL)

        return save_and_die

    WorkDir.save = dying_after(WorkDir.save)
    pieces.Pieces.add = dying_after(pieces.Pieces.add)
    sweep.SAVE_SECONDS = pieces.SAVE_SECONDS = 0
    run(importlib.import_module(f"ldm_scaling.{module}").main)
