"""The launcher of several GPUs: what it is told, whatever its user once configured."""

import json
import os
import subprocess
import sys

import pytest

from ldm_scaling.workflow.launcher import CONFIG, shell_function

READ = """
import json, sys
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
arguments = launch_command_parser().parse_args(json.loads(sys.argv[1]))
arguments = _validate_launch_command(arguments)[0]
names = vars(arguments).keys() - {"config_file", "nondefault"}
print(json.dumps({name: vars(arguments)[name] for name in names}))
"""
OPTIONS = "--multi_gpu --num_processes 4 --num_machines 1 --mixed_precision no"
OPTIONS += " --dynamo_backend no --main_process_port 0 -m ldm_scaling.models.pretrain --spec {}"


def told(folder, command):
    """The arguments that accelerate gets of a shell command, as Snakemake would run it."""
    program = folder / "bin" / "accelerate"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)
    paths = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    prefix = shell_function().replace("{{", "{").replace("}}", "}")
    done = subprocess.run(
        ["bash", "-euc", prefix + command], env=paths, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def settled(arguments, home):
    """All settings of a launch, where `home` has accelerate's configuration."""
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(arguments[1:])],
        env=os.environ | {"HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_users_configuration_changes_no_setting_of_our_jobs(tmp_path):
    arguments = told(tmp_path, f"launch='accelerate launch {OPTIONS}'; $launch --out 'a b'")
    assert arguments[:3] == ["launch", "--config_file", str(CONFIG)]
    assert arguments[-2:] == ["--out", "a b"]
    own = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "NO", "gpu_ids": "0,1"}
    own |= {"mixed_precision": "fp16", "num_processes": 1, "machine_rank": 1, "use_cpu": True}
    own |= {"downcast_bf16": "yes", "main_process_ip": "10.0.0.1", "enable_cpu_affinity": True}
    (tmp_path / "accelerate").mkdir()
    (tmp_path / "accelerate" / "default_config.yaml").write_text(json.dumps(own))
    found = settled(arguments, tmp_path)
    assert found == settled(arguments, tmp_path / "nowhere")
    assert settled(["launch", *arguments[3:]], tmp_path) != found  # it would count
    assert (found["gpu_ids"], found["num_processes"]) == ("all", 4)


@pytest.mark.parametrize("arguments", ["launch -m theirs.train", "env", "launch train.py --x y"])
def test_commands_of_others_start_accelerate_as_ever(tmp_path, arguments):
    assert told(tmp_path, f"accelerate {arguments}") == arguments.split()
