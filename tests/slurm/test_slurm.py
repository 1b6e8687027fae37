"""The smoke study on a real Slurm of one node: what jobs ask for, and what interruptions cost.

Two runs of one command. Their trainings are interrupted in every way that a cluster knows:
requeued, cancelled, stopped with Snakemake by Ctrl-C, out of time.
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
BATCH = 32
IMAGES = 12288
OVERLAY = f"""
latents: {{autoencoder: {{pretrained: pretrained/autoencoder-emoji32, latent_channels: 8}}}}
training: {{images: {IMAGES}, batch: {BATCH}}}
metrics: {{clip_like: null}}
"""
COMMAND = (
    *("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "3"),
    *("--set-resources", "pretrain:slurm_partition=training"),
    *("--configfile", "studies/smoke.yaml", "overlay.yaml"),
    *("--", "results/smoke/figures/fid_vs_cost.pdf"),
)
PATIENCE = 600  # seconds after which something is broken


def ask(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout


class Cluster:
    """The project on Slurm: runs of Snakemake, its jobs, and what they have trained."""

    def __init__(self, folder: Path):
        self.project = Project(folder)
        self.results = folder / "results/smoke"
        self.output = folder / "output.txt"
        self.environment = {"ACCELERATE_USE_CPU": "true"}  # the GPUs are pretended
        (folder / "overlay.yaml").write_text(OVERLAY)
        profile = folder / "profiles/slurm/config.yaml"
        text = profile.read_text().replace("slurm_partition: FILL_IN", "slurm_partition: main")
        profile.write_text(text.replace("slurm_account: FILL_IN", ""))  # this Slurm has no accounts

    @contextlib.contextmanager
    def snakemake(self) -> Iterator[subprocess.Popen]:
        """A run of the command; what is left of it at the end of the block is killed."""
        with self.output.open("w") as output:
            process = self.project.start(*COMMAND, output=output, **self.environment)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait_for(self, event: Callable, process: subprocess.Popen):
        """The first true value of `event()`; the run must not end before."""
        deadline = time.monotonic() + PATIENCE
        while not (value := event()):
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, self.output.read_text()[-6000:]
            time.sleep(0.1)
        return value

    def jobs(self, comment: str = "rule_") -> list[dict[str, str]]:
        """What Slurm knows of the jobs whose comment (rule, wildcards) begins so, oldest first."""
        rows = [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in ask("scontrol", "--oneliner", "show", "job").splitlines()
        ]
        found = [
            row
            for row in rows
            if row.get("WorkDir") == str(self.project.folder) and row["Comment"].startswith(comment)
        ]
        return sorted(found, key=lambda row: int(row["JobId"]))

    def training(self, size: str) -> list[dict[str, str]]:
        """The jobs that train a size, oldest first."""
        return self.jobs(f"rule_pretrain_wildcards_{size}_")

    def saved(self, size: str) -> int:
        """Images seen by the newest saved state of a training; 0 if there is none."""
        states = sorted((self.results / "work/pretrain" / size).rglob("state-*"))
        return int(states[-1].name.removeprefix("state-")) * BATCH if states else 0

    def continued(self, size: str, number: int) -> int:
        """Images after which the `number`-th job of a training says that it continues, or 0."""
        for job in self.training(size)[number - 1 : number]:
            log = Path(job["StdOut"])
            text = log.read_text() if log.exists() else ""
            if found := re.search(r"continuing after (\d+) images", text):
                return int(found[1])
        return 0


@pytest.fixture(scope="module")
def slurm():
    """A running Slurm; skips the module, with the reason, where there can be none."""
    started = subprocess.run([HERE / "start.sh"], text=True, capture_output=True, timeout=600)
    if started.returncode == 77:
        pytest.skip(started.stdout.strip())
    assert started.returncode == 0, started.stdout + started.stderr
    yield
    subprocess.run([HERE / "stop.sh"], check=True, timeout=120)


class Story:
    """What happened: images seen before and after every interruption, and how the runs ended."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.seen: dict[str, list[int]] = {"c8": [], "c16": []}

    def first_run(self) -> None:
        """Requeue the training of c8, cancel that of c16; press Ctrl-C once both continue."""
        cluster = self.cluster
        with cluster.snakemake() as process:
            self.freeze_each(cluster.saved, process)
            ask("scontrol", "requeue", cluster.training("c8")[0]["JobId"])
            ask("scancel", cluster.training("c16")[0]["JobId"])
            number = {"c8": 1, "c16": 2}  # a requeued job keeps its id, a retry has a new one
            self.freeze_each(lambda size: cluster.continued(size, number[size]), process)
            os.killpg(process.pid, signal.SIGINT)
            self.interrupted = process.wait(PATIENCE)
        self.first_jobs = cluster.jobs()

    def second_run(self) -> None:
        """Let the time of c16 run out once it continues; then everything ends."""
        cluster = self.cluster
        with cluster.snakemake() as process:
            self.note("c16", lambda: cluster.continued("c16", 3), process)
            self.stop("c16")
            self.wait_for_stop("c16", process)
            ask("scontrol", "update", f"JobId={cluster.training('c16')[2]['JobId']}", "EndTime=now")
            self.note("c8", lambda: cluster.continued("c8", 2), process)
            self.note("c16", lambda: cluster.continued("c16", 4), process)
            self.finished = process.wait(PATIENCE)
        self.jobs = cluster.jobs()

    def note(self, size: str, event: Callable[[], int], process: subprocess.Popen) -> None:
        """Wait until `event()` gives the images that a training has seen, and keep them."""
        self.seen[size].append(self.cluster.wait_for(event, process))

    def freeze_each(self, event: Callable[[str], int], process: subprocess.Popen) -> None:
        """Freeze each training as soon as `event(size)` gives its images, and keep them."""
        frozen = set()

        def all_frozen() -> bool:
            for size in self.seen.keys() - frozen:
                if images := event(size):
                    self.stop(size)
                    self.seen[size].append(images)
                    frozen.add(size)
            return len(frozen) == len(self.seen)

        self.cluster.wait_for(all_frozen, process)
        for size in self.seen:
            self.wait_for_stop(size, process)

    def stop(self, size: str) -> None:
        """Stop a training's processes, so that it does not end before it is interrupted."""
        ask("scancel", "--signal=STOP", self.cluster.training(size)[-1]["JobId"])

    def wait_for_stop(self, size: str, process: subprocess.Popen) -> None:
        """Wait until Slurm, too, calls a training stopped.

        A job that is cancelled before stays "STOPPED" for ever, and Snakemake waits for it.
        """

        def state() -> str:
            return self.cluster.training(size)[-1]["JobState"]

        self.cluster.wait_for(lambda: state() not in ("RUNNING", "SIGNALING"), process)
        assert state() == "STOPPED"


@pytest.fixture(scope="module")
def story(slurm, tmp_path_factory):
    """Both runs."""
    result = Story(Cluster(tmp_path_factory.mktemp("slurm") / "project"))
    result.first_run()
    result.second_run()
    return result


# comment: partition, GPUs, memory, walltime, as the rules say for the first attempt
ASKED = {
    "rule_prepare_data": ("main", "0", "4000M", "04:00:00"),
    "rule_encode_images_wildcards_train": ("main", "1", "8000M", "04:00:00"),
    "rule_pretrain_wildcards_c8_0": ("training", "1", "4021M", "04:00:00"),
    "rule_pretrain_wildcards_c16_0": ("training", "1", "4087M", "04:00:00"),
    "rule_sweep_wildcards_pretrain_c16_0_ddim": ("main", "1", "4018M", "04:00:00"),
    "rule_measure_wildcards_pretrain_c16_0_ddim": ("main", "0", "8000M", "01:00:00"),
    "rule_fid_vs_cost": ("main", "0", "2000M", "00:20:00"),
}


def asked(job: dict[str, str]) -> tuple[str, ...]:
    """Partition, GPUs, memory and walltime of a job."""
    gpus = re.search(r"gpu:(\d+)", job.get("TresPerJob", "gpu:0"))[1]
    return job["Partition"], gpus, job["MinMemoryNode"], job["TimeLimit"]


def test_jobs_ask_for_what_their_rules_say(story):
    first = {job["Comment"]: job for job in reversed(story.jobs)}
    assert {name: asked(first[name]) for name in ASKED} == ASKED


def test_a_retry_asks_for_more_time(story):
    second, last = story.cluster.training("c16")[1::2]  # after the cancelled and the late one
    assert asked(second) == asked(last) == ("training", "1", "4087M", "08:00:00")


def test_a_requeued_training_continues(story):
    before, after = story.seen["c8"][:2]
    assert 0 < before <= after < IMAGES
    assert story.cluster.training("c8")[0]["Restarts"] == "1"


def test_a_cancelled_training_continues_in_a_new_job(story):
    before, after = story.seen["c16"][:2]
    assert 0 < before <= after < IMAGES
    assert story.cluster.training("c16")[0]["JobState"] == "CANCELLED"


def test_ctrl_c_cancels_jobs_and_the_same_command_continues(story):
    assert story.interrupted != 0
    assert not {"PENDING", "RUNNING", "STOPPED"} & {job["JobState"] for job in story.first_jobs}
    for images in story.seen.values():
        assert images[1] <= images[2] < IMAGES
    again = {job["Comment"] for job in story.jobs[len(story.first_jobs) :]}
    assert "rule_pretrain_wildcards_c8_0" in again
    assert not again & {"rule_prepare_data", "rule_encode_images_wildcards_train"}


def test_a_training_out_of_time_continues_in_a_new_job(story):
    before, after = story.seen["c16"][2:]
    assert before <= after < IMAGES
    assert story.cluster.training("c16")[2]["JobState"] == "TIMEOUT"


def test_the_study_ends_as_if_nothing_had_happened(story):
    assert story.finished == 0, story.cluster.output.read_text()[-6000:]
    results = story.cluster.results
    assert (results / "figures/fid_vs_cost.pdf").read_bytes().startswith(b"%PDF")
    for size in story.seen:
        lines = (results / f"models/pretrain/{size}/seed0/metrics.jsonl").read_text().splitlines()
        # every row once: no image was seen twice, and none left out
        assert [json.loads(line)["images"] for line in lines] == [4096, 8192, 12288]
        assert story.cluster.training(size)[-1]["JobState"] == "COMPLETED"


def test_a_job_that_does_not_see_its_gpus_says_so(story):
    # last: Snakemake removes what a failed job was to write
    target = "results/smoke/cells/pretrain/c8/seed0/ddim/cells.json"
    arguments = (*COMMAND[:-2], "--forcerun", "sweep", "--retries", "0", "--", target)
    with (story.cluster.project.folder / "last.txt").open("w+") as output:
        process = story.cluster.project.start(*arguments, output=output, ACCELERATE_USE_CPU="no")
        assert process.wait(PATIENCE) != 0
        output.seek(0)
        assert "error: asked for 1 GPU, but torch sees 0" in output.read()
