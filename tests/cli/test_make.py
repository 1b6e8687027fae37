"""What make adds to Snakemake."""

from __future__ import annotations

import re
import subprocess
import sys

from project import ROOT


def test_snakemake_ends_with_its_last_job(tmp_path):
    """A job leaves a timer of make's span behind, and Snakemake waits for it."""
    printed = subprocess.run(
        ["make", "-n", "figure"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    (options,) = re.findall(r"--max-jobs-per-timespan \S+", printed)
    (tmp_path / "Snakefile").write_text("rule:\n    output: 'a'\n    shell: 'touch {output}'\n")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *options.split()]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=120)
    assert (tmp_path / "a").exists()
