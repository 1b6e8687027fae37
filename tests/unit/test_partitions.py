"""The example of a partition file, as the executor plugin reads it."""

import logging
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file


@pytest.mark.parametrize(
    ("resources", "partition"),
    [
        ({"mem_mb": 8000, "runtime": 60}, "short"),
        ({"mem_mb": 8000, "runtime": 480}, "cpu"),
        ({"mem_mb": 32000, "runtime": 60}, "cpu"),
        ({"mem_mb": 8000, "runtime": 30, "gpu": 1}, "gpu"),
        ({"mem_mb": 64000, "runtime": 960, "gpu": 8}, "gpu"),
        ({"mem_mb": 8000, "runtime": 60, "gpu": 9}, None),
    ],
)
def test_each_job_goes_to_the_partition_that_fits(root, resources, partition):
    partitions = read_partition_file(root / "profiles/slurm/partitions.yaml")
    job = SimpleNamespace(name="job", threads=1, resources=resources)
    assert get_best_partition(partitions, job, logging.getLogger()) == partition
