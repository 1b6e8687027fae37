"""What networks cost and hold, against published numbers, closed forms and other ways to count."""

import pytest
import torch
from plans import jobs_of, networks_of, study_of
from torch import nn

from ldm_scaling.cells.scorers import clip_score
from ldm_scaling.costs.memory import activations_of, peak_bytes
from ldm_scaling.costs.networks import untrained_autoencoder, untrained_text_encoder
from ldm_scaling.models.architectures.counting import count_params
from ldm_scaling.models.denoiser import build, count
from ldm_scaling.plan.known import counted
from ldm_scaling.study.latents import TextEncoder
from ldm_scaling.study.metrics import Scorer


@pytest.fixture(scope="module")
def paper():
    return networks_of("paper")


@pytest.fixture(scope="module")
def pocket():
    return networks_of()


# ---------------------------------------------------------------- costs


def test_hub_networks_have_their_published_sizes_and_costs(paper):
    latents = study_of("paper").latents
    assert count_params(untrained_autoencoder(latents.autoencoder)) == 83_653_863
    # the published 354.03 M count the projection of the pooled embedding too
    whole = latents.text_encoder.model_copy(update={"layers": None})
    text = count_params(untrained_text_encoder(whole))
    assert (text + 1024**2) / 1e6 == pytest.approx(354.03, abs=0.005)
    layer = 2 * 77 * 12 * 1024**2 + 4 * 77**2 * 1024  # projections and MLP; attention's products
    assert paper.own.caption == pytest.approx(23 * layer, rel=1e-3), "without the last of 24"
    weights, biases = 12 * 1024**2, (4 + 4 + 1 + 4) * 1024  # of one layer, its two norms included
    assert paper.own.text_params == text - weights - biases
    assert paper.decode > paper.own.forward["c320"], "at 512 x 512 pixels"


def test_metric_networks_of_the_paper_have_their_published_costs(paper):
    # Szegedy et al. 2016, https://arxiv.org/abs/1512.00567: 5.7 G multiply-adds, 2048 features
    features = paper.seen.extractors["inception_v3"]
    assert features.flops == pytest.approx(2 * 5.7e9, rel=0.01)
    assert features.width == 2048
    # ViT-L/14 at 224 pixels: 256 patches and the class token; the text tower of width 768
    layer = 2 * 257 * 12 * 1024**2 + 4 * 257**2 * 1024
    patches, head = 2 * 256 * (3 * 14**2) * 1024, 2 * 1024 * 768
    score = paper.seen.scorers["clip_score"]
    assert score.image == pytest.approx(24 * layer + patches + head, rel=1e-6)
    layer = 2 * 77 * 12 * 768**2 + 4 * 77**2 * 768
    assert score.caption == pytest.approx(12 * layer + 2 * 768**2, rel=1e-6)


def test_counted_networks_of_the_pocket_study(pocket):
    assert pocket.autoencoder_params == 431_691  # of its summary.json
    assert pocket.seen.extractors["effnet_lite0"].width == 1280
    layer = 2 * 20 * 12 * 384**2 + 4 * 20**2 * 384
    pooler = 2 * 384**2
    assert pocket.own.caption == pytest.approx(6 * layer + pooler, rel=1e-6)


def test_pairs_cost_what_their_own_networks_are_counted_at(pocket):
    _, pairs, *_ = counted(jobs_of())
    assert pairs.keys() == pocket.pairs.keys()
    spec = pairs["word-vectors"]  # as wide as no other encoder
    family = count(spec.family, spec.latent_shape, spec.text_shape)
    for size, (params, gflops, _) in family.items():
        assert pocket.pairs["word-vectors"].params[size] == params
        assert pocket.pairs["word-vectors"].forward[size] == pytest.approx(gflops * 1e9)


@pytest.mark.parametrize("revision", [None, "a" * 40])
def test_an_architecture_that_is_not_here_is_not_guessed(revision):
    named = {"pretrained": "someone/something", "revision": revision}
    latents = study_of().latents.autoencoder.model_copy(update=named)
    assert untrained_autoencoder(latents) is None
    scorer = Scorer(name="clip_score", **named)
    assert clip_score.untrained(scorer) is None
    assert untrained_text_encoder(TextEncoder(**named, max_tokens=8, width=16)) is None


# ---------------------------------------------------------------- memory


def test_peak_memory_of_two_layers_by_hand():
    with torch.device("meta"):
        network, images = nn.Sequential(nn.Linear(4, 100), nn.ReLU(), nn.Linear(100, 1)), 8
        data = torch.empty(images, 4)
    hidden = 4 * 100 * images
    # without gradients: what goes into the activation function, and what comes out of it
    assert peak_bytes(network, lambda: network(data), backward=False) == 2 * hidden
    trained = peak_bytes(network, lambda: network(data).sum())
    # the backward pass has what came out, and the gradients of both sides of the function; weights'
    # gradients, 4 x 100 and 100 numbers at most, before they are added up
    assert 3 * hidden <= trained <= 3 * hidden + 4 * 700


def test_activations_of_a_unet_are_those_of_a_real_run_on_the_cpu(pocket):
    spec, (tokens, width) = counted(jobs_of())[0], study_of().text_shape
    unet = build(spec.family, "c20", spec.latent_shape, width)
    latents, text = torch.randn(1, *spec.latent_shape), torch.randn(1, tokens, width)
    weights = {parameter.untyped_storage().data_ptr() for parameter in unet.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        unet(latents, torch.zeros(1), text).sample.sum()
    assert 20 * pocket.activations.training == pytest.approx(sum(kept.values()), rel=0.1)


def test_checkpointing_keeps_less_and_sampling_least(paper):
    held = paper.activations
    assert held.sampling < held.checkpointing < held.training / 2
    # Stable Diffusion's decoder at 512 pixels: a layer of 256 channels in and out, and its norm
    assert paper.decode_bytes == pytest.approx(3 * 4 * 256 * 512**2, rel=0.2)


def test_activations_are_proportional_to_channels(paper):
    spec = counted(jobs_of("paper"))[0]
    larger = spec.family.model_copy(update={"sizes": ["c320"], "reference_size": "c320"})
    alone = activations_of(spec.model_copy(update={"family": larger}))
    assert alone.training == pytest.approx(paper.activations.training, rel=0.01)
    assert alone.sampling == pytest.approx(paper.activations.sampling, rel=0.01)
