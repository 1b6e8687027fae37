"""What is said of a run: progress read back, the time left, errors, lines of a log."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from ldm_scaling.jobs.cli import Progress
from ldm_scaling.jobs.progress import last_reading
from ldm_scaling.plan.ahead import Ahead, from_json, needed, to_json
from ldm_scaling.plan.dag import Job
from ldm_scaling.watch import listen
from ldm_scaling.watch.outlook import Seen, expected, makespan
from ldm_scaling.watch.run import Run, Running, error_of
from ldm_scaling.watch.view import duration


def ahead(output, *inputs, flops=0.0, due=True, rule="train"):
    return Ahead(rule, frozenset(inputs), (output,), flops, due)


@pytest.mark.parametrize("note", ["", "loss 0.25, steps 3/4"])
def test_progress_of_a_job_is_read_back(capsys, monkeypatch, note):
    clock = iter([100.0, 110.0, 150.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    progress = Progress("training c48: copy 1/2", total=200, start=50)
    progress.update(60, note)  # no line yet
    progress.update(100, note)
    printed = capsys.readouterr().err
    reading = last_reading(f"{printed}something else\n")
    assert reading and (reading.label, reading.note) == ("training c48: copy 1/2", note)
    assert (reading.share, reading.rate, reading.left) == (0.5, 1, 100)
    assert reading.whole == 200, "the seconds of all of it, not only of this start"


def test_time_left_follows_the_dag_and_the_cores():
    chain = [(ahead("a"), 3.0), (ahead("b", "a"), 4.0), (ahead("c", "b", "given"), 5.0)]
    assert makespan([], chain, 1) == makespan([], chain, 8) == 12
    apart = [(ahead(name), 3.0) for name in "abcd"]
    assert [makespan([], apart, cores) for cores in (1, 2, 3, 4)] == [12, 6, 6, 3]
    join = [(ahead("c", "a", "b"), 1.0), (ahead("b"), 2.0)]
    assert makespan([(ahead("a"), 10.0)], join, 2) == 11
    assert makespan([], [], 2) == 0


def test_a_job_takes_its_flops_at_the_speed_of_the_most_similar_one():
    seen = [Seen("train", 100, 10), Seen("train", 1000, 50), Seen("sample", 400, 1)]
    assert expected("train", 200, seen) == 20
    assert expected("train", 2000, seen) == 100
    assert expected("encode", 400, seen) == 1, "no job of its rule: those of others"
    assert expected("train", 5, []) is None
    assert expected("collect", 0, [Seen("collect", 0, 6), Seen("draw", 0, 2)]) == 6
    assert expected("fit", 0, [Seen("collect", 0, 6), Seen("draw", 0, 2)]) == 4


def test_time_left_of_a_run_with_a_job_that_has_just_continued(tmp_path):
    now = time.time()
    log = tmp_path / "c48.log"
    log.write_text("training: 90/100 (90 %), 0.5/s, 20 s left, loss 1\n")
    os.utime(log, (now - 5, now - 5))
    run = Run(now - 10, cores=1)
    assert run.left(now) is None, "nobody has counted FLOPs"
    jobs = [ahead("c48", flops=8e9), ahead("c24", flops=2e9), ahead("old", flops=9e9, due=False)]
    run.ahead = {job.outputs[0]: job for job in jobs}
    assert run.left(now) is None, "no job has been seen"
    run.start(1, Running("train", "train c48", ("c48",), log, now - 10))
    # 100 units at 0.5/s are 200 s for 8e9 FLOPs, so c24 takes 50 s
    assert run.left(now) == pytest.approx(20 - 5 + 50)
    run.finish(1, now)
    assert run.left(now) == pytest.approx(50)


def test_the_last_part_of_a_job_is_not_all_of_it(tmp_path):
    now = time.time()
    log = tmp_path / "c48.log"
    log.write_text(
        "sampling: 9/9 (100 %), 0.1/s, 0 s left\nwriting: 9/9 (100 %), 900/s, 0 s left\n"
    )
    run = Run(now - 90)
    run.ahead = {name: ahead(name, flops=1e9) for name in ("c48", "c12")}
    run.start(1, Running("train", "train c48", ("c48",), log, now - 90))
    run.finish(1, now)
    assert run.left(now) == pytest.approx(90, abs=1)


def test_a_log_of_an_earlier_start_tells_nothing(tmp_path):
    log = tmp_path / "log"
    log.write_text("training: 90/100 (90 %), 0.5/s, 20 s left\n")
    assert Running("train", "train", ("a",), log, time.time() + 60).reading(time.time()) is None
    assert Running("train", "train", ("a",), tmp_path / "none", 0).reading(time.time()) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("fine\nerror: a.csv: no column\nmore\n", "error: a.csv: no column"),
        ("Traceback:\n  File x\nValueError: 3\n\n", "ValueError: 3"),
        ("training: 1/2 (50 %), 1/s, 1 s left\n", "lack of memory"),
        ("", "lack of memory"),
        ("x" * 10_000 + "\nerror: last\n", "error: last"),
    ],
)
def test_error_of_a_failed_job_is_one_line(tmp_path, text, error):
    log = tmp_path / "log"
    log.write_text(text)
    found = error_of(log)
    assert error in found and "\n" not in found
    assert "lack of memory" in error_of(None) and "lack of memory" in error_of(tmp_path / "none")


def test_a_target_needs_what_it_is_made_from():
    job = {
        name: Job("make", inputs=frozenset(inputs), outputs=(name,))
        for name, inputs in {"a": "", "b": "a", "c": "a", "d": "b", "e": "cd"}.items()
    }
    upstream_first = list(job.values())
    assert needed(upstream_first, ["d"]) == {job["a"], job["b"], job["d"]}
    assert needed(upstream_first, ["e"]) == set(upstream_first)
    assert needed(upstream_first, ["rule"]) == set()


def test_jobs_ahead_survive_json():
    jobs = [ahead("a", "x", "y", flops=1e20), ahead("b", due=False)]
    assert from_json(to_json(jobs)) == jobs


@pytest.mark.parametrize(
    ("seconds", "words"), [(9.6, "10 s"), (90, "2 min"), (3700, "1 h 2 min"), (3599, "1 h 0 min")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def said(event, message="", level=logging.INFO, **fields):
    record = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    record.__dict__.update(event=event, **fields)
    return record


def start(log: Path):
    return said(
        "job_info", jobid=1, rule_name="train", wildcards={"size": "c48", "seed": "0"},
        output=["c48"], log=[str(log)],
    )  # fmt: skip


def test_a_log_has_a_line_a_minute(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(listen, "LINE", 0.2)
    counted, log = tmp_path / "ahead.json", tmp_path / "log"
    counted.write_text(to_json([ahead("c48", flops=1.0)]))
    listener = listen.Listener(f"cat {counted}")
    listener.hear(said("run_info", stats={"train": 1, "total": 2}))
    listener.hear(said(None, "Select jobs to execute..."))
    listener.hear(start(log))
    log.write_text("training: 1/4 (25 %), 0.01/s, 300 s left, loss 2\n")
    time.sleep(2)
    listener.hear(said("job_finished", job_id=1))
    listener.end()
    listener.end()
    first, *lines, last = capsys.readouterr().err.splitlines()
    assert first == "jobs to do: 2"
    assert 3 <= len(lines) <= 12
    assert "about 5 min left; train c48 seed0: 25%, 5 min left, loss 2" in lines[-1]
    assert last.startswith("stopped with 1 of 2 jobs done")


def test_what_stands_between_a_user_and_the_run_is_printed(capsys):
    listener = listen.Listener(None)
    listener.hear(said(None, "Using shell: /bin/bash"))
    listener.hear(said(None, "Nothing to be done (all files are there)."))
    listener.hear(said("error", "MissingInputException: a", logging.ERROR, exception="X"))
    listener.end()
    assert capsys.readouterr().err.splitlines() == [
        "Nothing to be done (all files are there).",
        "MissingInputException: a",
    ]


def test_ctrl_c_is_no_failure(tmp_path, capsys):
    listener = listen.Listener(None)
    listener.hear(said("run_info", stats={"total": 2}))
    listener.hear(start(tmp_path / "log"))
    listener.hear(said(None, "Terminating processes on user request, this might take some time."))
    listener.hear(said("job_error", "Error", logging.ERROR, jobid=1, rule_name="train", log=[]))
    listener.end()
    printed = capsys.readouterr().err
    assert "failed" not in printed and "give the same command again" in printed
