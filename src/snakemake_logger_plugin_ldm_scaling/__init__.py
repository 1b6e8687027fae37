"""Snakemake's `--logger ldm-scaling`: what `make` prints of a run.

Snakemake imports every plugin whenever it starts, so this module imports nothing of the package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Settings of the plugin, which are options of Snakemake."""

    ahead: str | None = field(
        default=None,
        metadata={
            "help": "a command that prints the jobs with their FLOPs, for the time that is left",
            "type": str,
        },
    )


class LogHandler(LogHandlerBase):
    """Gives every log record to a `Listener`, which prints to stderr."""

    def __post_init__(self) -> None:
        from ldm_scaling.watch.listen import Listener

        settings = self.settings
        self._listener = Listener(getattr(settings, "ahead", None))

    def emit(self, record: LogRecord) -> None:
        """Say what a record says to a user."""
        try:
            self._listener.hear(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say how the run ended."""
        self._listener.end()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """So that Snakemake's own messages go to its log only."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake's log is there already."""
        return False

    @property
    def has_filter(self) -> bool:
        """So that Snakemake adds none of its own."""
        return True

    @property
    def has_formatter(self) -> bool:
        """So that Snakemake adds none of its own."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """The DAG comes from the command `ahead`."""
        return False
