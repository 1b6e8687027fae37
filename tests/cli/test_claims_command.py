"""The command that decides claims, on tables as rule collect writes them."""

import numpy as np
import pandas as pd
import pytest
from claim_cells import ALIGNMENT, FIDELITY, family, floors, spec
from claim_worlds import world
from commands import run_here

from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.statement import HERE, HOLDS, NOT_RUN, find
from ldm_scaling.jobs.tables import write_cells
from ldm_scaling.tables.searches import SEARCH_COST
from ldm_scaling.tables.values import Values


def larger_is_better(r):
    return -0.3 * r["z"]


@pytest.fixture(scope="module")
def evidence():
    options = {"noise": (0.01, 0.001), "samplers": ["ddim", "ddpm"], "fidelity": FIDELITY}
    return world(larger_is_better, **options)


def tables(evidence):
    """Stage, sampler and the stem of their files."""
    pairs = dict.fromkeys(key[:2] for key in evidence.cells)
    return [(*pair, pair[1] if pair[0] == "pretrain" else pair[0]) for pair in pairs]


def write(folder, stem, parts):
    draws = np.concatenate([values.draws for values in parts])
    rows = pd.concat([values.rows for values in parts], ignore_index=True)
    rows = rows.assign(value=draws[:, 0], lo=draws[:, 0], hi=draws[:, 0], nfe=2 * rows["steps"])
    write_cells(rows, draws[:, 1:], folder / f"{stem}.csv", folder / f"{stem}.safetensors")


@pytest.fixture
def folder(tmp_path, evidence):
    for stage, sampler, stem in tables(evidence):
        own = [found for key, found in evidence.cells.items() if key[:2] == (stage, sampler)]
        write(tmp_path, stem, own)
    write(tmp_path, "dreambooth", [evidence.dreambooth])
    rows = evidence.stitched.rows.assign(share=0.5, guided_cost=1, total_cost=1, best=True)
    write(tmp_path, "stitch", [Values(rows, evidence.stitched.draws)])
    searches = evidence.searches.reindex(columns=SEARCH_COST)
    searches.to_csv(tmp_path / "searches.csv", index=False)
    write(tmp_path, "param_budget", [evidence.pairs])
    write(tmp_path, "candidates", list(evidence.candidates.values()))
    costs = {"gflops": 1, "sampling_cost": 1, "total_cost": 1}
    toned = [Values(v.rows.assign(**costs), v.draws) for v in evidence.toned.values()]
    write(tmp_path, "bias", toned)
    made = evidence.inverted.values()
    write(tmp_path, "inversion", [Values(v.rows.assign(fit_cost=0), v.draws) for v in made])
    family().to_csv(tmp_path / "family.csv", index=False)
    floors().assign(n=64).to_csv(tmp_path / "floors.csv", index=False)
    (tmp_path / "spec.json").write_text(evidence.spec.model_dump_json())
    return tmp_path


@pytest.fixture
def claims(folder, evidence):
    def command(*changed, dreambooth=("--dreambooth", "dreambooth.csv", "dreambooth.safetensors")):
        command = ["--spec", "@spec.json", "--family", "family.csv", "--floors", "floors.csv"]
        for stage, sampler, stem in tables(evidence):
            command += ["--cells", stage, sampler, f"{stem}.csv", f"{stem}.safetensors"]
        command += ["--stitch", "stitch.csv", "stitch.safetensors"]
        command += ["--searches", "searches.csv"]
        command += ["--param-budget", "param_budget.csv", "param_budget.safetensors"]
        command += ["--candidates", "candidates.csv", "candidates.safetensors"]
        command += ["--inversion", "inversion.csv", "inversion.safetensors"]
        command += ["--bias", "bias.csv", "bias.safetensors"]
        command += [*dreambooth, "--table-out", "out/claims.csv", "--text-out", "out/claims.md"]
        return run_here("claims.decide", *command, *changed, folder=folder)

    return command


def test_the_command_writes_what_the_functions_find(folder, evidence, claims):
    done = claims()
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(folder / "out/claims.csv", keep_default_na=False).set_index("id")
    expected = {claim.id: find(claim, evidence) for claim in CLAIMS}
    assert table["verdict"].to_dict() == {id_: found.verdict for id_, found in expected.items()}
    exponent = table.loc["quality-improves-with-size"]
    assert (exponent["verdict"], float(exponent["estimate"])) == (HOLDS + HERE, pytest.approx(0.3))
    missing = table.loc["dpmpp-is-better-up-to-20-steps"]
    assert missing["verdict"] == NOT_RUN and missing["estimate"] == ""
    assert missing["reason"] == "sampler dpmpp is not in the study"
    assert (folder / "out/claims.md").read_text().startswith("# Claims: study made-up\n")
    verdicts = table["verdict"].value_counts()
    assert f"{verdicts[HOLDS + HERE]} {HOLDS}{HERE}" in done.stdout


def without_a_row(folder):
    table = folder / "ddpm.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")


def other_resamples(folder):
    rows = pd.read_csv(folder / "ddpm.csv")
    draws = np.ones((len(rows), 7))
    write_cells(rows, draws, folder / "ddpm.csv", folder / "ddpm.safetensors")


def other_n(folder):
    rows = pd.read_csv(folder / "ddpm.csv").assign(n=99)
    draws = np.ones((len(rows), 100))
    write_cells(rows, draws, folder / "ddpm.csv", folder / "ddpm.safetensors")


def no_alignment(folder):
    rows = pd.read_csv(folder / "ddpm.csv").query("metric == 'fid'")
    draws = np.ones((len(rows), 100))
    write_cells(rows, draws, folder / "ddpm.csv", folder / "ddpm.safetensors")


def bad_spec(folder):
    text = spec().model_dump_json().replace('"confidence":0.95', '"confidence":1.5')
    (folder / "spec.json").write_text(text)


def no_gflops(folder):
    family().drop(columns="gflops").to_csv(folder / "family.csv", index=False)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "ddim.csv").unlink(), "ddim.csv is missing"),
        (lambda folder: (folder / "ddpm.safetensors").unlink(), "ddpm.safetensors"),
        (without_a_row, "ddpm.safetensors does not belong to ddpm.csv"),
        (other_resamples, "different numbers of resamples"),
        (other_n, "n = 64, 99: measure all with the same n"),
        (no_alignment, f"ddpm.csv: metric {ALIGNMENT} is not in the table"),
        (bad_spec, "confidence: Input should be less than 1"),
        (no_gflops, "family.csv has no column gflops"),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(folder, claims, break_it, message):
    break_it(folder)
    done = claims()
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not (folder / "out").exists()


def test_four_words_name_a_table(claims):
    done = claims("--cells", "pretrain", "ddim")
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_scores_of_subjects_are_demanded_where_claims_take_them(claims):
    done = claims(dreambooth=())
    assert done.returncode == 2 and "error: --dreambooth: the spec asks for" in done.stderr
