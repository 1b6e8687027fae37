"""Several images of a prompt; a verifier keeps one: methods, choice, costs and gains."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from studies import put

from ldm_scaling.cells.candidates import best_of, resample, zero_order
from ldm_scaling.cells.candidates.attempt import Attempt, Score
from ldm_scaling.cells.features import Measuring
from ldm_scaling.cells.sample import LatentSampler, initial_noise
from ldm_scaling.cells.sample_candidates import Chooser, chosen_cells, spread
from ldm_scaling.costs.count_verifier import verifier_cost
from ldm_scaling.costs.seen import Features, Seeing, count_seeing
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.jobs.tables import CHOSEN, COSTS, MEASURED
from ldm_scaling.kinds.candidates import PARTICLES, resampled_after, verified
from ldm_scaling.latents.autoencoder import build as build_autoencoder
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.plan import cells as plan
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.latents import AutoencoderNetwork
from ldm_scaling.study.load import load_study
from ldm_scaling.tables.candidates import candidates_table, gains
from ldm_scaling.tables.collect import cells_table
from ldm_scaling.tables.values import Values
from ldm_scaling.workflow.specs.candidates import CandidatesSpec, VerifierSpec
from ldm_scaling.workflow.stages import with_candidates

JUDGE = {"extractor": {"name": "squeezenet", "input_size": 64}}
SECTION = {"methods": ["resample", "best_of", "zero_order"], "counts": [4, 1, 2]}


@pytest.fixture
def config(pocket_config):
    """The pocket study with candidates."""
    put(pocket_config, "metrics.judge", JUDGE)
    put(pocket_config, "candidates", SECTION | {"steps": [4], "student_steps": [1]})
    return pocket_config


@pytest.fixture
def spec(config):
    """The spec of a pretrained model's candidates."""
    return CandidatesSpec.of(load_study(config), "pretrain", "c12")


# ------------------------------------------------------------ the section


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("metrics.judge", None, "metrics.judge: candidates are judged by another score"),
        ("metrics.clip_like", None, "metrics.judge.extractor: its score is fitted"),
        ("candidates.methods", ["resample"], "candidates.methods: others are compared"),
        ("candidates.counts", [2, 4], "candidates.counts: 1 candidate is what more"),
        ("candidates.counts", [1], "candidates.counts: needs at least 2 entries"),
        ("candidates.sizes", ["c13"], "candidates.sizes: c13 is not in family.sizes"),
        ("candidates.steps", [3], "candidates.steps: 3 is not in sampling.steps"),
        ("candidates.student_steps", [3], "3 is not in sampling.students.steps"),
        ("candidates.sampler", "dpmpp", "candidates.methods: dpmpp remembers earlier steps"),
        ("distill", None, "candidates.student_steps: distill is null"),
    ],
)
def test_what_does_not_fit_is_one_line(config, key, value, message):
    put(config, key, value)
    with pytest.raises(StudyError, match="config key") as error:
        load_study(config)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_models_with_candidates_and_what_each_method_makes(config, spec):
    put(config, "candidates.sizes", ["c20", "c12"])
    found = with_candidates(load_study(config))
    assert found == [
        (stage, size, 0) for stage in ("pretrain", "distill") for size in ("c12", "c20")
    ]
    assert spec.methods == ["best_of", "zero_order", "resample"] and spec.counts == [1, 2, 4]
    counts = {method: spec.counts_of(method, 4) for method in spec.methods}
    assert counts == {"best_of": [1, 2, 4], "zero_order": [2, 4], "resample": [PARTICLES]}
    assert spec.counts_of("resample", 1) == []  # one step has no inside
    assert spec.verifier == "clip_like" and spec.steps == [4]


# ------------------------------------------------------------ methods


class Noise:
    """A sampler whose image is its initial noise, 32 levels of grey a standard deviation."""

    latent_shape = (3, 2, 2)

    def text(self, rows):
        return torch.zeros(len(rows), 1, 1)

    def images_from(self, noise, generators, text, rows, trajectory, after_step=None):
        assert len(noise) == len(generators) == len(text) == len(rows)
        return (noise * 32 + 128).clamp(0, 255).round().byte().numpy(), np.full(len(noise), True)

    def evaluations(self, cell):
        return 8


def first_pixel(images, rows):
    """A score: the first number of an image."""
    return images[:, 0, 0, 0].astype(float)


LOOK = Score("seen", first_pixel, lambda seen, rows: seen)


def attempt(rows, cell, sampler=None, score=LOOK):
    return Attempt(sampler or Noise(), cell, rows, score)


def test_best_of_n_gains_what_order_statistics_say(spec):
    spec = spec.model_copy(update={"counts": [1, 2, 4, 8]})
    chooser = Chooser(spec, Noise(), Measuring({}), [LOOK, LOOK])
    found = chooser.kept(spec.cells[0], "best_of", range(3000))
    # expected largest of n standard normal numbers (Harter 1961)
    for count, expected in ((1, 0.0), (2, 0.5642), (4, 1.0294), (8, 1.4236)):
        scores = (found[f"{count}/judge"] - 128) / 32
        assert scores.mean() == pytest.approx(expected, abs=4 / np.sqrt(3000))
        assert np.array_equal(found[f"{count}/judge"], found["scores"][:, :count].max(axis=1))
    assert spread(found["scores"]) == pytest.approx(32, rel=0.03)


@pytest.mark.parametrize("method", ["best_of", "zero_order"])
def test_fewer_candidates_are_the_first_of_more_whatever_the_batch(spec, method):
    cell = spec.cells[0]

    def kept(counts, *batches):
        own = Chooser(
            spec.model_copy(update={"counts": counts}), Noise(), Measuring({}), [LOOK, LOOK]
        )
        parts = [own.kept(cell, method, range(*ends)) for ends in batches]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    more, fewer = kept([1, 2, 5], (0, 12)), kept([1, 2], (0, 5), (5, 6), (6, 12))
    for name in ("2/images", "2/seen", "2/judge"):
        assert np.array_equal(more[name], fewer[name])
    assert np.array_equal(more["scores"][:, :2], fewer["scores"])
    assert (more["5/judge"] >= more["2/judge"]).all()
    if method == "best_of":  # one candidate has the noise of the cell
        alone = initial_noise(cell.seed, range(12), (3, 2, 2))
        expected = (alone * 32 + 128).clamp(0, 255).round().byte().numpy()
        assert np.array_equal(more["1/images"], expected)


def test_neighbours_keep_the_norm_and_have_the_cosine():
    generator = torch.Generator().manual_seed(0)
    pivot, direction = (torch.randn(5, 3, 4, 4, generator=generator) for _ in range(2))
    near = zero_order.neighbour(pivot, direction)
    one, two = pivot.flatten(1), near.flatten(1)
    torch.testing.assert_close(two.norm(dim=1), one.norm(dim=1))
    cosine = torch.nn.functional.cosine_similarity(one, two)
    torch.testing.assert_close(cosine, torch.full((5,), 0.95))


def test_a_zero_order_search_moves_to_the_best_of_two_neighbours(spec):
    cell, rows = spec.cells[0], range(40)
    found = list(zero_order.candidates(attempt(rows, cell), 5))
    noise = [initial_noise(cell.seed, rows, (3, 2, 2), k) for k in range(5)]
    pivot = noise[0]
    for first in (1, 3):
        tried = [pivot, *(zero_order.neighbour(pivot, noise[k]) for k in (first, first + 1))]
        images = [(z * 32 + 128).clamp(0, 255).round() for z in tried]
        for number, image in zip((first, first + 1), images[1:], strict=True):
            assert np.array_equal(found[number].images, image.byte().numpy())
        best = torch.stack([image[:, 0, 0, 0] for image in images]).argmax(dim=0)
        pivot = torch.stack(tried)[best, torch.arange(len(rows))]


def test_resampling_copies_as_often_as_weights_say():
    weights = np.array([[0.5, 0.25, 1.0], [0.25, 0.25, 0.0], [0.25, 0.25, 0.0], [0.0, 0.25, 0.0]])
    for offset in (0.01, 0.5, 0.99):
        found = resample.ancestors(weights, np.full(3, offset))
        counts = [np.bincount(own, minlength=4).tolist() for own in found.T]
        assert counts == [[2, 1, 1, 0], [1, 1, 1, 1], [4, 0, 0, 0]]
    uneven, generator = np.array([[0.4], [0.6]]), np.random.default_rng(0)
    drawn = [resample.ancestors(uneven, generator.random(1)).mean() for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.6, abs=0.02)
    alike = resample.weights(np.ones((4, 3)))
    assert np.allclose(alike, 0.25)
    one, two = resample.weights(np.array([[1.0], [3.0]])), resample.weights(np.array([[1], [9]]))
    assert np.allclose(one, two)  # whatever the scale of a score
    assert one[1, 0] / one[0, 0] == pytest.approx(np.exp(2 * resample.STRENGTH))


@pytest.fixture(scope="module")
def sampler():
    """An untrained U-Net with an untrained autoencoder."""
    torch.manual_seed(0)
    keys = {"channel_multipliers": [1, 2], "attention": [True, True], "res_blocks": 1}
    family = Family(sizes=["c8"], reference_size="c8", heads=2, norm_groups=4, **keys)
    network = build_unet(family, "c8", (4, 4, 4), 8).eval().requires_grad_(False)
    autoencoder = build_autoencoder(
        AutoencoderNetwork(
            pretrained=None, revision=None, downsampling=2, latent_channels=4, width=8
        )
    )
    autoencoder = autoencoder.eval().requires_grad_(False)
    text = np.random.default_rng(0).normal(size=(6, 3, 8)).astype("f4")
    diffusion = Diffusion(prediction="v_prediction")
    return LatentSampler(network, autoencoder, diffusion, text, np.zeros((3, 8), "f4"))


def test_trajectories_that_are_liked_alike_go_on_as_they_are(spec, sampler):
    alike = Score("seen", first_pixel, lambda seen, rows: np.ones(len(rows)))
    own = attempt(range(3), spec.cells[-1], sampler, alike)
    together = list(resample.candidates(own, 3))
    alone = list(best_of.candidates(attempt(range(3), spec.cells[-1], sampler, alike), 3))
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one.images.astype(int) - other.images).max() <= 1
    seen = attempt(range(1, 2), spec.cells[-1], sampler, alike)
    for one, other in zip(resample.candidates(seen, 3), together, strict=True):
        assert np.abs(one.images[0].astype(int) - other.images[1]).max() <= 1


def test_copies_of_the_best_trajectory_part_from_it(spec, sampler, monkeypatch):
    # particle 0 of each image is liked, the others not at all: after the first look all are copies
    monkeypatch.setattr(resample, "STRENGTH", 50)
    liked = Score(
        "seen", first_pixel, lambda seen, rows: np.repeat([1.0, *[-1e6] * 3], len(rows) // 4)
    )
    own = attempt(range(2), spec.cells[-1], sampler, liked)
    steering = resample._Steering(own, 4)
    steering._at = [1]
    before = torch.randn(8, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    prediction, after = before * 0.3, before * 0.9
    found = steering(1, before, prediction, after)
    assert torch.equal(found[:2], after[:2])  # the first one is not changed
    level = torch.full((2,), steering._levels[0])
    origin, _ = steering._process.origin_and_noise(before[:2], prediction[:2], level)
    following = torch.full((2,), steering._levels[1])
    for particle in range(1, 4):
        streams = row_generators(Stream.RESAMPLING, own.cell.seed, range(2), particle + 1)
        noise = torch.stack([torch.randn(4, 4, 4, generator=own) for own in streams])
        expected = steering._process.noised(origin, noise, following)
        torch.testing.assert_close(found[2 * particle : 2 * particle + 2], expected)


# ------------------------------------------------------------ guidance


def test_guidance_is_what_the_models_cells_found_best(spec):
    rows = [
        (4, scale, 1.0, spec.select_by, value, value, value, 512, 8, 0.1, "ok")
        for scale, value in ((1.0, 30.0), (3.0, 10.0), (6.0, 20.0), (7.0, 5.0))  # 7 is no scale
    ]
    metrics = pd.DataFrame(rows, columns=MEASURED)
    ((cell, status),) = chosen_cells(spec, metrics)
    assert (cell.guidance, cell.steps, status) == (3.0, 4, "ok")
    failed = metrics.assign(status="diverged", value=np.nan)
    assert [status for _, status in chosen_cells(spec, failed)] == ["diverged"]
    with pytest.raises(InputError, match="has no 4 steps; sample the model again"):
        list(chosen_cells(spec, metrics.assign(steps=8)))


# ------------------------------------------------------------ costs


FAMILY = pd.DataFrame(
    {
        "size": ["c12", "c48"],
        "channels": [12, 48],
        "params": [1, 16],
        "gflops": [10.0, 100.0],
        "normalized_cost": [0.1, 1.0],
        "text_gflops": [2.0, 20.0],
        "decoder_gflops": [50.0, 50.0],
        "caption_gflops": [7.0, 7.0],
    }
)
VERIFIER = pd.DataFrame({"verifier": ["v"], "image_gflops": [30.0], "caption_gflops": [1.0]})


def measured(stage, steps, guidance, method, count):
    per_image = steps * (2 if guidance != 1 and stage == "pretrain" else 1)
    model = {"stage": stage, "size": "c12", "seed": 0, "sampler": "ddim"}
    values = {"metric": "judge", "value": 0.2, "lo": 0.1, "hi": 0.3, "n": 8}
    kept = {"method": method, "candidates": count, "verified": verified(method, count, steps)}
    cell = {"steps": steps, "guidance": guidance, "trained": 1.0, "nfe": per_image * count}
    return pd.DataFrame(
        [model | cell | values | kept | {"seconds": 1, "status": "ok", "spread": 1}]
    )


@pytest.mark.parametrize(
    ("cell", "sampling", "guided", "gflops"),
    [
        # two texts of 4 steps: 8 x (10 - 2) and 2 x 2 for keys and values, two captions, a decoder
        (("pretrain", 4, 3, "best_of", 1), 0.4, 0.8, 8 * 8 + 4 + 14 + 50),
        # eight times all but captions, and eight looks at images and one at the prompt
        (("pretrain", 4, 3, "best_of", 8), 3.2, 6.4, 8 * (8 * 8 + 4 + 50 + 30) + 14 + 1),
        (("pretrain", 4, 3, "zero_order", 2), 0.8, 1.6, 2 * (8 * 8 + 4 + 50 + 30) + 14 + 1),
        (("pretrain", 2, 1, "best_of", 2), 0.4, 0.4, 2 * (2 * 8 + 2 + 50 + 30) + 7 + 1),
        (("distill", 2, 3, "best_of", 2), 0.4, 0.4, 2 * (2 * 8 + 2 + 50 + 30) + 7 + 1),
        # looks after 1, 2 and 3 of 4 steps, and at the end
        (("pretrain", 4, 3, "resample", 4), 1.6, 3.2, 4 * (8 * 8 + 4) + 16 * (50 + 30) + 14 + 1),
    ],
)
def test_every_cost_by_hand(cell, sampling, guided, gflops):
    row = candidates_table(measured(*cell), FAMILY, VERIFIER).iloc[0]
    assert row["sampling_cost"] == pytest.approx(sampling)
    assert row["guided_cost"] == pytest.approx(guided)
    assert row["total_cost"] == pytest.approx(gflops / 100)


@pytest.mark.parametrize("stage", ["pretrain", "distill"])
@pytest.mark.parametrize("guidance", [1, 3])
def test_one_candidate_costs_what_a_cell_costs(stage, guidance):
    rows = measured(stage, 4, guidance, "best_of", 1)
    cells = cells_table(rows.drop(columns=CHOSEN), FAMILY, ([4], [1, 3]))
    table = candidates_table(rows, FAMILY, VERIFIER)
    assert table[COSTS].iloc[0].tolist() == pytest.approx(cells[COSTS].iloc[0].tolist())


def test_where_trajectories_are_resampled():
    assert [resampled_after(steps) for steps in (1, 2, 4, 8)] == [[], [1], [1, 2, 3], [2, 4, 6]]
    assert verified("resample", 4, 8) == 16 and verified("best_of", 1, 8) == 0


def test_a_look_is_the_extractor_and_the_map(config):
    spec = VerifierSpec.of(load_study(config))
    row, own = verifier_cost(spec), count_seeing(spec).extractors["effnet_lite0"]
    width = 384
    assert row["image_gflops"] * 1e9 == pytest.approx(own.flops + 2 * own.width * width + 2 * width)
    assert row["caption_gflops"] * 1e9 == 2 * width * width
    put(config, "metrics.clip_like", None)
    scorer = {"name": "hps", "pretrained": "folder"}
    put(config, "metrics.scorers", [scorer])
    put(config, "metrics.judge", {"scorer": {"name": "pickscore", "pretrained": "other"}})
    spec = VerifierSpec.of(load_study(config))
    assert (spec.verifier, spec.extractors, spec.map_width) == ("hps", [], None)


def test_the_plan_prices_every_candidate_and_look(spec, monkeypatch):
    monkeypatch.setattr(plan, "_sampling_bytes", lambda *_, **__: 7.0)
    seen = Seeing({"effnet_lite0": Features(30, 8), "squeezenet": Features(5, 4)})
    networks = SimpleNamespace(decode=50, seen=seen)
    unets = SimpleNamespace(forward={"c12": 10})
    known = SimpleNamespace(networks=networks, unets=lambda job: unets)
    job = SimpleNamespace(wildcards={"stage": "pretrain", "size": "c12"})
    price = plan.candidates(job, spec, known)
    made, looks = 512 * (4 + 4 + 4), 512 * (4 + 4 + 16)  # the most of each method
    assert price.flops_of == {
        "U-Net": made * 8 * 10,  # four guided steps
        "decoding": looks * 50,
        "features": looks * 30,
        "judge": made * 5,
    }
    assert price.bytes == 3 * 512 * (3 + 2 + 1) * 2 * 8  # features of all that is kept


# ------------------------------------------------------------ gains


def test_a_gain_is_over_one_candidate_in_units_of_the_spread():
    rows = pd.concat(
        [
            measured("pretrain", 4, 3, *own)
            for own in (("best_of", 1), ("best_of", 8), ("resample", 4))
        ],
        ignore_index=True,
    ).assign(spread=0.05, params=1)
    draws = np.array([[0.2, 0.21], [0.3, 0.3], [0.25, 0.25]])
    found = gains(Values(rows, draws))
    assert found.rows["method"].tolist() == ["best_of", "resample"]
    assert np.allclose(found.draws, [[2, 1.8], [1, 0.8]])
