"""The workflow on a real Slurm of one node: interruptions, and who chooses account and partition.

All tests share one Slurm, whose accounts are made compulsory last.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project import Project

HERE = Path(__file__).parent
PROFILE = "profiles/slurm/config.yaml"
TYPED = ("--profile", "slurm", "results/figures/fid_vs_cost.pdf")
PATIENCE = 600  # seconds after which something is broken

BATCH = 32
OVERLAY = f"""
latents: {{autoencoder: {{pretrained: pretrained/autoencoder-emoji32, latent_channels: 8}}}}
training: {{images: 12288, batch: {BATCH}}}
"""
TRAINING = (
    *("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1"),
    *("--set-resources", "pretrain:slurm_partition=training"),
    *("--configfile", "studies/smoke.yaml", "overlay.yaml"),
    *("--", "results/smoke/models/pretrain/c8/seed0/summary.json"),
)
LIMITS = """
def minutes(wildcards, attempt):
    return 60 * attempt

def nap(wildcards, attempt):
    return 600 if attempt == 1 else 0

rule all:
    input: "late.txt", "gpus.txt"

rule late:
    output: "late.txt"
    resources: runtime=minutes, nap=nap
    shell: "touch begun; sleep {resources.nap}; touch {output}"

rule gpus:
    output: "gpus.txt"
    resources: gpu=2
    shell: "echo $CUDA_VISIBLE_DEVICES > {output}"
"""


def ask(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout


class Cluster:
    """A copy of the project on Slurm: runs of Snakemake and their jobs."""

    def __init__(self, folder: Path):
        self.project = Project(folder)
        self.project.program = str(HERE / "impatient.py")
        self.folder = folder

    @contextlib.contextmanager
    def run(self, *arguments: str, **environment: str) -> Iterator["Run"]:
        """A run of Snakemake; what is left of it at the end of the block is killed."""
        run = Run(self.project, *arguments, **environment)
        try:
            yield run
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait()

    def jobs(self, comment: str = "rule_") -> list[dict[str, str]]:
        """What Slurm knows of the jobs whose comment (rule, wildcards) begins so, oldest first."""
        rows = [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in ask("scontrol", "--oneliner", "show", "job").splitlines()
        ]
        found = [
            row
            for row in rows
            if row.get("WorkDir") == str(self.folder) and row["Comment"].startswith(comment)
        ]
        return sorted(found, key=lambda row: int(row["JobId"]))

    def set_default(self, name: str, value: str) -> None:
        """Set one of the profile's default resources as its comments say."""
        path = self.folder / PROFILE
        text, count = re.subn(rf"(?m)^  # {name}: NAME$", f"  {name}: {value}", path.read_text())
        assert count == 1
        path.write_text(text)

    def accepted(self) -> dict[str, str]:
        """A job of the command as typed, which then is killed with all of its jobs."""
        with self.run(*TYPED) as run:
            run.wait_for(self.jobs)
        jobs = self.jobs()
        ask("scancel", *(job["JobId"] for job in jobs))
        return jobs[0]

    def refused(self) -> str:
        """The only error of the command as typed, which submits nothing."""
        with self.run(*TYPED) as run:
            assert run.process.wait(PATIENCE) != 0
        assert not self.jobs()
        assert "Traceback" not in run.text()
        [line] = [line for line in run.text().splitlines() if "error" in line.lower()]
        return line


class Run:
    """A run of Snakemake and what it prints."""

    def __init__(self, project: Project, *arguments: str, **environment: str):
        self.path = project.folder / f"output-{time.monotonic_ns()}.txt"
        with self.path.open("w") as output:
            self.process = project.start(*arguments, output=output, **environment)

    def text(self) -> str:
        """What it has printed."""
        return self.path.read_text()

    def wait_for(self, event: Callable):
        """The first true value of `event()`; the run must not end before."""
        deadline = time.monotonic() + PATIENCE
        while not (value := event()):
            ended = self.process.poll() is not None or time.monotonic() > deadline
            assert not ended, self.text()[-6000:]
            time.sleep(0.1)
        return value

    def press_ctrl_c(self) -> int:
        """Interrupt it as a terminal does; gives its exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def slurm():
    """A running Slurm; skips the module, with the reason, where there can be none."""
    subprocess.run([HERE / "stop.sh"], check=True, timeout=120)  # one that is started by hand
    started = subprocess.run([HERE / "start.sh"], text=True, capture_output=True, timeout=600)
    if started.returncode == 77:
        pytest.skip(started.stdout.strip())
    assert started.returncode == 0, started.stdout + started.stderr
    yield
    subprocess.run([HERE / "stop.sh"], check=True, timeout=120)


# ------------------------------------------------------------ interruptions


class Story:
    """A training that is interrupted again and again: images seen before and after."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.results = cluster.folder / "results/smoke"
        (cluster.folder / "overlay.yaml").write_text(OVERLAY)
        (cluster.folder / "limits.smk").write_text(LIMITS)
        self.seen: list[int] = []
        self.first_run()
        self.first_jobs = cluster.jobs()
        self.second_run()

    def first_run(self) -> None:
        """Requeue the training, cancel it, press Ctrl-C; beside it, end the time of another job."""
        beside = (*TRAINING[:4], "--snakefile", "limits.smk")
        with self.start() as run, self.cluster.run(*beside) as limits:
            limits.wait_for((self.cluster.folder / "begun").exists)
            [late] = self.cluster.jobs("rule_late")
            ask("scontrol", "update", f"JobId={late['JobId']}", "EndTime=now")
            self.seen.append(run.wait_for(self.saved))
            self.freeze(run)
            self.limits = limits.process.wait(PATIENCE)
            ask("scontrol", "requeue", self.training()[0]["JobId"])
            self.seen.append(run.wait_for(lambda: self.continued(1)))  # under the same id
            self.freeze(run)
            ask("scancel", self.training()[0]["JobId"])
            self.seen.append(run.wait_for(lambda: self.continued(2)))
            self.interrupted = run.press_ctrl_c()

    def second_run(self) -> None:
        """Let it end."""
        with self.start() as run:
            self.seen.append(run.wait_for(lambda: self.continued(3)))
            self.finished = run.process.wait(PATIENCE)
        self.output = run.text()

    def start(self, **environment: str) -> contextlib.AbstractContextManager[Run]:
        """The training's run; the GPUs are pretended."""
        return self.cluster.run(*TRAINING, **{"ACCELERATE_USE_CPU": "true", **environment})

    def training(self) -> list[dict[str, str]]:
        """The jobs that train, oldest first."""
        return self.cluster.jobs("rule_pretrain_")

    def saved(self) -> int:
        """Images seen by the newest saved state; 0 if there is none."""
        states = sorted((self.results / "work/pretrain").rglob("state-*"))
        return int(states[-1].name.removeprefix("state-")) * BATCH if states else 0

    def continued(self, number: int) -> int:
        """Images after which the `number`-th job says that it continues, or 0."""
        for job in self.training()[number - 1 : number]:
            log = Path(job["StdOut"])
            text = log.read_text() if log.exists() else ""
            if found := re.search(r"continuing after (\d+) images", text):
                return int(found[1])
        return 0

    def freeze(self, run: Run) -> None:
        """Stop the training's processes, so that it does not end before it is interrupted.

        Wait until Slurm, too, calls it stopped: a job that is cancelled before stays "STOPPED" for
        ever, and Snakemake waits for it.
        """
        ask("scancel", "--signal=STOP", self.training()[-1]["JobId"])
        run.wait_for(lambda: self.training()[-1]["JobState"] not in ("RUNNING", "SIGNALING"))
        assert self.training()[-1]["JobState"] == "STOPPED"


@pytest.fixture(scope="module")
def story(slurm, tmp_path_factory):
    """Both runs, of a profile in which nothing is filled in."""
    return Story(Cluster(tmp_path_factory.mktemp("slurm") / "project"))


def asked(job: dict[str, str]) -> tuple[str, ...]:
    """Partition, GPUs, memory and walltime of a job."""
    gpus = re.search(r"gpu:(\d+)", job.get("TresPerJob", "gpu:0"))[1]
    return job["Partition"], gpus, job["MinMemoryNode"], job["TimeLimit"]


@pytest.mark.parametrize(
    ("comment", "request_of_first"),
    [
        ("rule_prepare_data", ("other", "0", "4000M", "04:00:00")),
        ("rule_encode_images_wildcards_train", ("other", "1", "8000M", "04:00:00")),
        ("rule_pretrain_wildcards_c8_0", ("training", "1", "4021M", "04:00:00")),
    ],
)
def test_jobs_ask_for_what_their_rules_say(story, comment, request_of_first):
    assert asked(story.cluster.jobs(comment)[0]) == request_of_first


def test_a_retry_asks_for_more_time_and_memory(story):
    assert asked(story.training()[1]) == ("training", "1", "6031M", "08:00:00")


def test_a_requeued_training_continues(story):
    before, after = story.seen[:2]
    assert 0 < before <= after
    assert story.training()[0]["Restarts"] == "1"


def test_a_cancelled_training_continues_in_a_new_job(story):
    before, after = story.seen[1:3]
    assert before <= after
    assert story.training()[0]["JobState"] == "CANCELLED"


def test_ctrl_c_cancels_jobs_and_the_same_command_continues(story):
    assert story.interrupted != 0
    assert not {"PENDING", "RUNNING", "STOPPED"} & {job["JobState"] for job in story.first_jobs}
    before, after = story.seen[2:]
    assert before <= after < 12288
    again = {job["Comment"] for job in story.cluster.jobs()[len(story.first_jobs) :]}
    assert again == {"rule_pretrain_wildcards_c8_0"}


def test_the_training_ends_as_if_nothing_had_happened(story):
    assert story.finished == 0, story.output[-6000:]
    lines = (story.results / "models/pretrain/c8/seed0/metrics.jsonl").read_text().splitlines()
    # every row once: no image was seen twice, and none left out
    assert [json.loads(line)["images"] for line in lines] == [4096, 8192, 12288]
    assert story.training()[-1]["JobState"] == "COMPLETED"


def test_a_job_out_of_time_starts_again_with_more(story):
    first, second = story.cluster.jobs("rule_late")
    assert (first["JobState"], second["JobState"]) == ("TIMEOUT", "COMPLETED")
    assert second["TimeLimit"] == "02:00:00"
    assert story.limits == 0


def test_a_job_has_the_gpus_that_it_asks_for(story):
    assert (story.cluster.folder / "gpus.txt").read_text() == "0,1\n"


def test_a_job_that_does_not_see_its_gpus_says_so(story):
    # last of these: Snakemake removes what a failed job was to write
    arguments = (*TRAINING[:-2], "--forcerun", "pretrain", "--retries", "0", *TRAINING[-2:])
    with story.cluster.run(*arguments, ACCELERATE_USE_CPU="no") as run:
        assert run.process.wait(PATIENCE) != 0
    assert "error: asked for 1 GPU, but torch sees 0" in run.text()


# ------------------------------------------------------------ account and partition


@pytest.fixture
def cluster(slurm, tmp_path):
    """A copy of the project with the profile as it is delivered."""
    return Cluster(tmp_path / "project")


def test_nothing_is_filled_in_where_slurm_has_a_default_partition(cluster):
    job = cluster.accepted()
    assert (job["Partition"], job["Account"]) == ("other", "(null)")


def test_without_a_default_partition_one_line_names_the_key(cluster):
    ask("scontrol", "update", "PartitionName=other", "Default=NO")
    try:
        line = cluster.refused()
        assert "No partition specified or system default partition" in line
        assert f"Set slurm_partition in {PROFILE}" in line
        cluster.set_default("slurm_partition", "main")
        assert cluster.accepted()["Partition"] == "main"
    finally:
        ask("scontrol", "update", "PartitionName=other", "Default=YES")


@pytest.fixture(scope="module")
def accounts(slurm):
    """Makes accounts compulsory, for this and all later tests; sets the default one of root."""
    subprocess.run([HERE / "accounts.sh"], check=True, timeout=120)

    def set_default(name: str) -> None:
        ask("sacctmgr", "--immediate", "modify", "user", "root", "set", f"defaultaccount={name}")

    return set_default


def test_where_an_account_is_required_one_line_names_the_key(cluster, accounts):
    accounts("closed")
    line = cluster.refused()
    assert "Invalid account" in line
    assert f"Set slurm_account in {PROFILE}" in line
    cluster.set_default("slurm_account", "lab")
    assert cluster.accepted()["Account"] == "lab"


def test_a_default_account_needs_no_line(cluster, accounts):
    accounts("lab")
    assert cluster.accepted()["Account"] == "lab"
