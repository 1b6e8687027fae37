"""What make adds to Snakemake, on a workflow of shell jobs."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import ROOT

FIGURE = "results/figures/fid_vs_cost.pdf"
SNAKEFILE = """
rule fid_vs_cost:
    input: "c12.txt", "c48.txt"
    output: "results/figures/fid_vs_cost.pdf"
    shell: "touch {output}"

rule train:
    output: "c{size}.txt"
    log: "logs/c{size}.log"
    shell:
        "exec &> >(tee {log}); . ./job_{wildcards.size}.sh; touch {output}"
"""
STEPS = """for i in 1 2 3 4; do
    sleep 1; echo "training: $i/4 ($((i * 25)) %), 1/s, $((4 - i)) s left, loss 0.$i"
done
"""
LONG = "sleep 120\n"


@pytest.fixture
def workflow(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "config.yaml").write_text("name: fake\n")
    for size in (12, 48):
        (tmp_path / f"job_{size}.sh").write_text(STEPS)
    jobs = [
        {"rule": "train", "inputs": [], "outputs": [f"c{size}.txt"], "flops": 1e9, "due": True}
        for size in (12, 48)
    ]
    (tmp_path / "ahead.json").write_text(json.dumps(jobs))
    return tmp_path


COMMAND = [
    *("make", "--file", str(ROOT / "Makefile"), "--assume-old", ".venv/.ready"),
    *("figure", "CORES=2", "AHEAD=cat ahead.json"),
]
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT / "src"),
    "TERM": "xterm",
}


def make(folder):
    return subprocess.run(
        COMMAND, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )


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


def test_a_run_in_a_log_is_a_few_lines(workflow):
    first, again = make(workflow), make(workflow)
    assert first.returncode == again.returncode == 0, first.stderr
    begins, *_, ends = first.stderr.splitlines()
    assert begins == "jobs to do: 3" and ends.startswith("3 of 3 jobs done in ")
    assert len(first.stderr.splitlines()) <= 4
    assert FIGURE in first.stdout and "next: make all" in first.stdout
    assert again.stderr.startswith("Nothing to be done") and FIGURE in again.stdout
    (log, _) = sorted((workflow / ".snakemake/log").iterdir())
    assert "rule train:" in log.read_text(), "Snakemake's own log is whole"
    assert "loss 0.4" in (workflow / "logs/c12.log").read_text()


def test_a_failed_job_ends_with_its_error_its_log_and_how_to_go_on(workflow):
    (workflow / "job_48.sh").write_text("echo 'error: key lr: too large; lower it'; exit 2\n")
    failed = make(workflow)
    assert failed.returncode != 0 and FIGURE not in failed.stdout
    lines = [line for line in failed.stderr.splitlines() if "***" not in line]
    assert lines[-4:-1] == [
        "failed: train size48",
        "  error: key lr: too large; lower it",
        "  log: logs/c48.log",
    ]
    assert "the same command again" in lines[-1]
    (workflow / "job_48.sh").write_text(STEPS)
    assert make(workflow).returncode == 0


def test_a_terminal_has_one_live_view(workflow):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(COMMAND, cwd=workflow, env=ENVIRONMENT, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # all that could write has ended
            break
    os.close(ours)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"train size12 +\S+ +(25|50|75)% +\d s left +loss 0.\d", text)
    assert re.search(r"0 of 3 jobs done in \d+ s, about \d+ s left", text)
    assert "rule train:" not in text
    assert b"\x1b[?25l" not in shown, "kill -9 would leave a terminal without a cursor"


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_the_refusal_after_kill_9_names_what_still_runs(workflow):
    for size in (12, 48):
        (workflow / f"job_{size}.sh").write_text(LONG)
    process = subprocess.Popen(
        COMMAND, cwd=workflow, env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    logs = [workflow / f"logs/c{size}.log" for size in (12, 48)]
    wait_for(lambda: all(log.exists() for log in logs))
    process.kill()
    process.wait()
    try:
        refused = make(workflow)
        assert refused.returncode != 0 and FIGURE not in refused.stdout
        assert "another make runs here; wait for it" in refused.stderr
        found = dict(re.findall(r"process (\d+), for \d+ s: (.*)", refused.stderr))
        (ids,) = re.findall(r"kill ([\d ]+)", refused.stderr)
        assert ids.split() == list(found)
        snakemake, *jobs = found.values()
        assert snakemake == f"snakemake --configfile=config.yaml {FIGURE}"
        assert sorted(re.findall(r"job_\d+", job) for job in jobs) == [["job_12"], ["job_48"]]
        for number in found:
            assert os.getpgid(int(number)) == process.pid
            os.kill(int(number), signal.SIGTERM)  # as the refusal says
        wait_for(lambda: not any(Path(f"/proc/{number}").exists() for number in found))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for size in (12, 48):
        (workflow / f"job_{size}.sh").write_text(STEPS)
    assert make(workflow).returncode == 0
