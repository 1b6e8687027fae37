"""Splits of a budget between text encoder and U-Net, on metrics that are known exactly."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from commands import run_here
from drawn import no_overlap, same_bytes
from plans import changed, study_of

from ldm_scaling.claims.param_budget import CLAIMS
from ldm_scaling.figures import param_budget as figure
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import read_table
from ldm_scaling.study.fields import StudyError
from ldm_scaling.tables.param_budget import pair_values, read_pairs
from ldm_scaling.tables.splits import PARAM_BUDGET, encoder_curves, shared_totals, splits_table
from ldm_scaling.tables.values import Values, read_values
from ldm_scaling.workflow import pairs
from ldm_scaling.workflow.specs.latents import EncodeTextSpec
from ldm_scaling.workflow.specs.models import PretrainSpec
from ldm_scaling.workflow.specs.tables import ParamBudgetSpec

QUALITY, ALIGNMENT = "fd_effnet_lite0", "clip_like"
TEXT = {"words": 10e6, "half": 16e6, "whole": 22e6}
UNETS = {"c12": 1e6, "c32": 6e6, "c48": 15e6}
AUTOENCODER = 0.5e6
SPEC = ParamBudgetSpec(
    quality=QUALITY, alignment=ALIGNMENT, sampler="ddim", steps=4, guided=True, confidence=0.95
)


def counted():
    """The table of counts; a forward pass has as many GFLOPs as the U-Net has tens of millions."""
    rows = [
        (encoder, size, text, AUTOENCODER, unet, unet / 1e7, unet / 1e8, text / 1e8, 0.1)
        for encoder, text in TEXT.items()
        for size, unet in UNETS.items()
    ]
    columns = ["encoder", "size", "text_params", "autoencoder_params", "unet_params"]
    columns += ["gflops", "text_gflops", "caption_gflops", "decoder_gflops"]
    return pd.DataFrame(rows, columns=columns)


def planted(encoder, size):
    """Straight in the log of the U-Net's parameters, and better with a bigger text encoder."""
    return 900 - 20 * np.log(UNETS[size] / 1e6) - 60 * np.log(TEXT[encoder] / 1e7)


def models(folder, seeds=(0,), failed=(), noise=2.0):
    """Metrics of all pairs as rule measure writes them, best at guidance 4; arguments for them."""
    generator, found = np.random.default_rng(0), []
    shared = generator.standard_normal(40)  # of prompts, the same in all cells
    for encoder in TEXT:
        for size in UNETS:
            for seed in seeds:
                rows, draws = [], {}
                for scale in (2, 4, 8):
                    value = planted(encoder, size) + 50 * abs(np.log(scale / 4)) + seed
                    values = {QUALITY: value, ALIGNMENT: 0.1 + scale / 100}
                    for metric, own in values.items():
                        ok = (encoder, size) not in failed
                        cell = (4, float(scale), 1.0, metric, own if ok else np.nan)
                        status = "ok" if ok else "diverged"
                        rows.append((*cell, own, own, 64, 8, 0.1, status))
                        if ok:
                            width = noise if metric == QUALITY else 0.001
                            own_draws = own + width * (shared + generator.standard_normal(40) / 10)
                            draws[f"steps4_guidance{scale}/{metric}"] = own_draws
                columns = ["steps", "guidance", "trained", "metric", "value", "lo", "hi", "n"]
                table = pd.DataFrame(rows, columns=[*columns, "nfe", "seconds", "status"])
                stem = folder / f"{encoder}_{size}_{seed}"
                table.to_csv(f"{stem}.csv", index=False)
                path = stem.with_suffix(".safetensors")
                write_arrays(path, draws, "a")
                found.append([encoder, size, str(seed), f"{stem}.csv", str(path)])
    return found


def values_of(folder, **changed):
    return pair_values(*read_pairs(models(folder, **changed), SPEC), counted(), SPEC)


# ---------------------------------------------------------------- the tables


def test_every_pair_has_its_best_guidance_and_what_it_costs(tmp_path):
    quality, alignment = values_of(tmp_path)
    assert len(quality.rows) == len(alignment.rows) == 9
    assert (quality.rows["guidance"] == 4).all() and (alignment.rows["guidance"] == 4).all()
    assert not quality.rows["at_boundary"].any()
    np.testing.assert_allclose(alignment.draws[:, 0], 0.14)
    for row in quality.rows.itertuples():
        text, unet = TEXT[row.encoder], UNETS[row.size]
        assert row.value == pytest.approx(planted(row.encoder, row.size))
        assert row.lo < row.value < row.hi
        assert row.params == text + AUTOENCODER + unet
        # 8 passes without the text's part, which is counted once for each of two captions
        image = 8 * (unet / 1e7 - unet / 1e8) + 2 * unet / 1e8
        assert row.image_unet_gflops == pytest.approx(image)
        assert row.image_caption_gflops == pytest.approx(2 * text / 1e8)
        assert row.gflops == pytest.approx(image + 2 * text / 1e8 + 0.1)


def test_splits_of_a_total_are_interpolated_between_trained_ones(tmp_path):
    quality = values_of(tmp_path)[0]
    curves = encoder_curves(quality, "params")
    assert [curve.encoder for curve in curves] == list(TEXT)
    words, half, _ = curves
    assert words.totals() == pytest.approx((11.5e6, 25.5e6))
    total = 20e6
    for curve in (words, half):
        left = total - TEXT[curve.encoder] - AUTOENCODER
        exact = 900 - 20 * np.log(left / 1e6) - 60 * np.log(TEXT[curve.encoder] / 1e7)
        assert curve.at(total)[0] == pytest.approx(exact)  # the planted metric is a straight line
    with pytest.raises(ValueError, match="not within"):
        words.at(26e6)
    # the middles of what words and half, words and whole, half and whole share
    expected = [(17.5, 25.5), (23.5, 25.5), (23.5, 31.5)]
    middles = [np.sqrt(low * high) * 1e6 for low, high in expected]
    assert shared_totals(curves) == pytest.approx(middles)


def test_the_best_split_and_those_as_good(tmp_path):
    splits = splits_table(values_of(tmp_path), 0.95)
    own = splits[(splits["axis"] == "params") & (splits["metric"] == QUALITY)]
    for total, rows in own.groupby("total"):
        assert (rows["standing"] == "best").sum() == 1
        np.testing.assert_allclose(rows["text_share"], rows["encoder"].map(TEXT) / total)
        left = total - rows["encoder"].map(TEXT) - AUTOENCODER
        np.testing.assert_allclose(rows["unet"], left)
        exact = 900 - 20 * np.log(left / 1e6) - 60 * np.log(rows["encoder"].map(TEXT) / 1e7)
        assert rows.loc[rows["value"].idxmin(), "standing"] == "best"
        np.testing.assert_allclose(rows["value"], exact)
    # alignment is the same for all: higher is better, and none is behind
    aligned = splits[splits["metric"] == ALIGNMENT]
    assert set(aligned["standing"]) == {"best", "tied"}
    assert set(splits["axis"]) == {"params", "gflops"}


def test_a_split_that_is_better_by_less_than_chance_is_tied(tmp_path):
    noisy = values_of(tmp_path, noise=300.0)
    own = splits_table(noisy, 0.95)
    assert "behind" not in set(own[own["axis"] == "params"]["standing"])


def test_a_failed_pair_is_a_row_and_no_point(tmp_path):
    quality, alignment = values_of(tmp_path, failed=[("words", "c48")])
    failed = quality.rows.query("encoder == 'words' and size == 'c48'").iloc[0]
    assert failed["status"] == "diverged" and np.isnan(failed["value"])
    for values in (quality, alignment):
        words = encoder_curves(values, "params")[0]
        assert words.totals()[1] == pytest.approx(16.5e6)


def test_means_over_training_seeds_have_their_spread(tmp_path):
    one, two = values_of(tmp_path)[0], values_of(tmp_path, seeds=(0, 6))[0]
    assert len(two.rows) == 9
    np.testing.assert_allclose(two.rows["value"], one.rows["value"] + 3)
    assert (two.rows["hi"] - two.rows["lo"] > one.rows["hi"] - one.rows["lo"]).all()


def test_pairs_of_different_n_and_uncounted_pairs_are_named(tmp_path):
    cells, draws = read_pairs(models(tmp_path), SPEC)
    other = cells.assign(n=np.where(cells["size"] == "c12", 32, 64))
    with pytest.raises(InputError, match="2 different n"):
        pair_values(other, draws, counted(), SPEC)
    with pytest.raises(InputError, match="whole c48 was not counted"):
        pair_values(cells, draws, counted().iloc[:-1], SPEC)


@pytest.fixture
def written(tmp_path):
    counted().to_csv(tmp_path / "components.csv", index=False)
    command = ["--spec", SPEC.model_dump_json(), "--counts", "components.csv"]
    for model in models(tmp_path):
        command += ["--metrics", *model]
    command += ["--table-out", "pairs.csv", "--draws-out", "draws.safetensors"]
    command += ["--splits-out", "splits.csv"]
    done = run_here("tables.param_budget", *command, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_the_command_writes_tables_that_belong_to_their_draws(written):
    values = read_values(
        written / "pairs.csv", written / "draws.safetensors", QUALITY, PARAM_BUDGET
    )
    assert values.draws.shape == (9, 41)
    assert len(map_array(written / "draws.safetensors", "draws")) == 18
    assert len(figure.read_splits(written / "splits.csv")) > 4


@pytest.mark.parametrize(("more", "alike"), [(0, True), (1e-3, True), (0.2, False)])
def test_the_claim_leaves_out_pairs_of_about_equal_encoders(tmp_path, more, alike):
    quality = values_of(tmp_path)[0]
    twin = quality.where(quality.rows["encoder"] == "half")
    costs = ["text_params", "image_caption_gflops"]
    other = twin.rows.assign(
        encoder="twin", **{name: twin.rows[name] * (1 + more) for name in costs}
    )
    rows = pd.concat([quality.rows, other], ignore_index=True)
    both = Values(rows, np.vstack([quality.draws, twin.draws]))
    for claim in CLAIMS:
        alone, beside = (
            claim.of(SimpleNamespace(split_budget=lambda own=own: own)) for own in (quality, both)
        )
        assert alone[0] > 0
        assert np.allclose(beside, alone, rtol=0.01) == alike


# ---------------------------------------------------------------- the figure


@pytest.fixture
def drawn(written):
    pairs = read_table(written / "pairs.csv", PARAM_BUDGET)
    return pairs, figure.read_splits(written / "splits.csv")


def test_the_figure_has_a_curve_for_each_total_and_a_point_for_each_pair(drawn):
    pairs, splits = drawn
    made = figure.draw(pairs, splits)
    assert len(made.axes) == 4
    for axes, axis in zip(made.axes, ("params", "gflops"), strict=False):
        own = splits[(splits["axis"] == axis) & (splits["metric"] == QUALITY)]
        assert len(axes.containers) == own["total"].nunique()
        points = [line for line in axes.get_lines() if line.get_label().startswith("pairs of")]
        assert sum(len(line.get_xdata()) for line in points) == 9
        bars = [b for b in axes.collections if b.get_label().startswith("intervals of")]
        ends = sorted(tuple(bar[:, 1]) for own in bars for bar in own.get_segments())
        measured = pairs.loc[pairs["metric"] == QUALITY, ["lo", "hi"]]
        assert np.allclose(ends, sorted(measured.itertuples(index=False, name=None)))
    no_overlap(made)


def test_a_study_whose_encoders_share_no_total_says_so(drawn):
    pairs, splits = drawn
    made = figure.draw(pairs, splits[:0])
    notes = [text.get_text() for axes in made.axes for text in axes.texts]
    assert notes == ["no total that two encoders share"] * 4
    no_overlap(made)


def test_the_figure_has_equal_bytes(drawn, tmp_path):
    same_bytes(lambda: figure.draw(*drawn), tmp_path)


# ---------------------------------------------------------------- specs


def test_pairs_are_pretrained_as_the_study_but_for_their_lengths():
    study = study_of()
    spec = PretrainSpec.of_pair(study, "budget_minilm-l6-layers2", "c32", 0)
    own = PretrainSpec.of(study, "c32", 0)
    changed_keys = {"images": 40000, "warmup_images": 2000, "ema_images": 3000, "keep": []}
    assert spec.training == own.training.model_copy(update=changed_keys)
    assert spec.family == own.family and spec.diffusion == own.diffusion
    assert spec.stage == "budget_minilm-l6-layers2" and spec.encoding is None
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def test_tar_shards_are_encoded_with_the_pairs_encoder_while_training():
    spec = PretrainSpec.of_pair(study_of("paper"), "budget_t5-11b", "c64", 0)
    assert spec.encoding.text.text_encoder.pretrained == "google-t5/t5-11b"
    assert spec.encoding.text.text_encoder.max_tokens == 77
    assert spec.encoding.images.autoencoder == "stabilityai/sd-vae-ft-mse"


def test_specs_without_a_cut_encoder_stay_as_they_were():
    text = json.loads(EncodeTextSpec.of(study_of()).model_dump_json())["text_encoder"]
    assert list(text) == ["pretrained", "revision", "max_tokens", "width"]
    own = json.loads(PretrainSpec.of(study_of(), "c32", 0).model_dump_json())
    assert own["stage"] == "pretrain"


def test_only_the_studys_own_encoder_is_not_encoded_again():
    study = study_of()
    assert pairs.is_own(study, "budget_minilm-l6")
    assert not pairs.is_own(study, "budget_minilm-l6-layers2")
    with pytest.raises(StudyError, match="layers5 is not among them"):
        pairs.encoder(study, "budget_minilm-l6-layers5")
    with pytest.raises(StudyError, match="param_budget: is null"):
        pairs.encoder(changed(param_budget=None), "budget_minilm-l6")
