#!/usr/bin/env python
"""Snakemake as a user starts it, but it asks for the state of its Slurm jobs every second.

The profile's first question comes after 40 s, and each of the next ones waits 10 s longer.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(self: RemoteExecutor) -> None:
    """Wait between two questions."""
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep
main()
