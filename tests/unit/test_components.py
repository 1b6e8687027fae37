"""What networks have of an image's cost, against published counts and sums by hand."""

from itertools import pairwise

import pandas as pd
import pipelines
import pytest
import torch
import yaml
from drawn import no_overlap, same_bytes
from plans import study_of
from project import ROOT
from snakemake.utils import update_config

from ldm_scaling.costs import component_seconds, time_adopted
from ldm_scaling.costs.component_counts import component_counts
from ldm_scaling.costs.component_seconds import seconds_table
from ldm_scaling.costs.count_family import to_csv
from ldm_scaling.costs.networks import text_encoder_params
from ldm_scaling.figures import components as figure
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import COUNTS, EVALUATIONS, TOLD, read_table
from ldm_scaling.models import adopt
from ldm_scaling.study.adopted import AdoptedModel
from ldm_scaling.study.latents import TextEncoder
from ldm_scaling.study.load import load_study
from ldm_scaling.study.sampling import FixedSetting
from ldm_scaling.tables.components import components_table
from ldm_scaling.workflow.specs.costs import (
    AdoptedSpec,
    CountComponentsSpec,
    TimeAdoptedSpec,
    TimeComponentsSpec,
)

CPU = torch.device("cpu")
SECONDS = {"text_encoder": 0.5, "autoencoder": 0.25}


def stable_diffusion():
    """The study of the paper with the networks of Stable Diffusion 1.5."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "studies" / "paper.yaml").read_text()))
    clip = {"pretrained": "openai/clip-vit-large-patch14", "width": 768, "layers": None}
    clip["revision"] = "32bd64288804d66eefd0ccbe215aa642df71cc41"
    config["latents"]["text_encoder"] |= clip
    config["family"]["sizes"] = ["c320"]
    config["figures"]["guidance_sizes"] = ["c320"]
    config["stitch"] = config["sampling"]["most_steps"] = None
    config |= {"guided_distill": None, "dreambooth": None, "param_budget": None}
    return load_study(config)


def timed(sizes, seconds=SECONDS):
    rows = [(part, None, value, "ok", "cpu") for part, value in seconds.items()]
    rows += [("unet", size, 1.0, "ok", "cpu") for size in sizes]
    return pd.DataFrame(rows, columns=["component", "size", "seconds", "status", "device"])


@pytest.fixture(scope="module")
def stock():
    counts = pd.DataFrame(component_counts(CountComponentsSpec.of(stable_diffusion())))
    return components_table(counts, timed(["c320"]), 50, 2)


def test_stable_diffusion_is_split_as_it_is_published(stock):
    table = stock.set_index("component")
    assert table["params"].to_dict() == {
        "text_encoder": 123_060_480,
        "autoencoder": 83_653_863,
        "unet": 859_520_964,
    }
    assert (100 * table["params_share"]).round().tolist() == [12, 8, 81]
    assert (table["bytes"] == 4 * table["params"]).all()
    # published: 803 GFLOPs of a forward pass, to a few percent of counting conventions
    assert table.loc["unet", "gflops"] == pytest.approx(100 * 803, rel=0.05)


def test_shares_are_of_the_whole_and_costs_of_an_image(stock):
    for column in ("params", "gflops", "seconds"):
        assert stock[f"{column}_share"].sum() == pytest.approx(1)
    assert stock["seconds_share"].tolist() == pytest.approx([0.5 / 1.75, 0.25 / 1.75, 1 / 1.75])


def test_a_captions_cost_is_twice_that_with_guidance():
    counts = pd.DataFrame(component_counts(CountComponentsSpec.of(study_of("smoke"))))
    once, twice = (
        components_table(counts, timed(["c8", "c16"]), 10, texts).set_index(["size", "component"])
        for texts in (1, 2)
    )
    for part, factor in (("text_encoder", 2), ("unet", 2), ("autoencoder", 1)):
        own = twice.loc[("c16", part), "gflops"] / once.loc[("c16", part), "gflops"]
        assert own == pytest.approx(factor)
    (text,) = counts.query("encoder == 'own' and size == 'c8'")["caption_gflops"]
    assert once.loc[("c8", "text_encoder"), "gflops"] == pytest.approx(text)


def test_what_is_unknown_or_was_not_timed(stock):
    counts = pd.DataFrame(component_counts(CountComponentsSpec.of(study_of("smoke"))))
    unknown = counts.assign(text_params=float("nan"))
    table = components_table(unknown, timed(["c8", "c16"]), 10, 1)
    assert table["params_share"].isna().all() and table["gflops_share"].notna().all()
    assert table["params"].isna().sum() == 2
    notes = [text.get_text() for text in figure.draw(table).axes[0].texts]
    assert notes == ["unknown"] * 2
    with pytest.raises(InputError, match="unet c16 was not timed"):
        components_table(counts, timed(["c8"]), 10, 1)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("t5-small", 35.33),  # the encoder alone; 60.5 with the decoder
        ("t5-base", 109.63),
        ("t5-large", 334.94),
        ("t5-3b", 1240.9),
        ("t5-11b", 4864.8),
    ],
)
def test_encoders_of_t5_have_their_published_sizes(name, millions):
    settings = TextEncoder(pretrained=f"google-t5/{name}", max_tokens=77, width=1024)
    assert text_encoder_params(settings) / 1e6 == pytest.approx(millions, rel=2e-3)


def test_each_layer_of_a_bert_has_as_many_parameters():
    named = {"pretrained": "minilm-l6", "max_tokens": 20, "width": 384}
    counts = [text_encoder_params(TextEncoder(**named, layers=layers)) for layers in range(7)]
    vocabulary, positions, kinds, norm = 30_522, 512, 2, 2
    assert counts[0] == 384 * (vocabulary + positions + kinds + norm)
    layer = 4 * (384**2 + 384) + 2 * 384 * 1536 + 1536 + 384 + 4 * 384
    assert [b - a for a, b in pairwise(counts)] == [layer] * 6
    assert counts[6] == text_encoder_params(TextEncoder(**named))


def test_every_network_is_timed_once():
    spec = TimeComponentsSpec.of(study_of("smoke"))
    table = seconds_table(spec, CPU)
    assert table["component"].tolist() == ["text_encoder", "autoencoder", "unet", "unet"]
    assert table["size"].dropna().tolist() == ["c8", "c16"]
    assert (table["status"] == "ok").all() and (table["seconds"] > 0).all()
    assert (table["lo"] <= table["seconds"]).all() and (table["seconds"] <= table["hi"]).all()


def test_a_network_that_is_not_here_is_a_row_with_that_status():
    spec = TimeComponentsSpec.of(study_of("smoke"))
    text = TextEncoder(pretrained="someone/something", revision="a" * 40, max_tokens=12, width=384)
    table = seconds_table(spec.model_copy(update={"text_encoder": text}), CPU)
    assert table["status"].tolist() == ["unknown architecture", "ok", "ok", "ok"]


# ---------------------------------------------------------------- adopted models


UNKNOWN = AdoptedModel(name="other", pretrained="someone/something", side=32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny pipelines; the second is told the guidance scale."""
    return [
        AdoptedModel(
            name=name.replace("_", "-"),
            pretrained=str(pipelines.save(name, tmp_path_factory.mktemp(name))),
            side=32,
        )
        for name in ("stable_diffusion_xl", "consistency", "sana")
    ]


def counted(models, tmp_path, native_steps=None):
    spec = AdoptedSpec(models=models, reference=models[0].name, order="listed")
    rows = component_counts(CountComponentsSpec(encoders={"own": spec}, native_steps=native_steps))
    (tmp_path / "components.csv").write_text(to_csv(rows))
    return read_table(tmp_path / "components.csv", COUNTS, [TOLD, EVALUATIONS])


def at_fixed(models, steps=4, guidance=3.0):
    fixed = FixedSetting(sampler="native", steps=steps, guidance=guidance)
    return TimeAdoptedSpec(models=models, fixed=fixed, repeats=2)


def test_networks_of_adopted_models_are_counted_and_timed(models, tmp_path):
    seconds = seconds_table(at_fixed(models), CPU)
    assert len(seconds) == 3 * len(models) and (seconds["status"] == "ok").all()
    assert (seconds["lo"] <= seconds["seconds"]).all() and (seconds["lo"] > 0).all()
    counts = counted(models, tmp_path)
    table = components_table(counts, seconds.assign(device="cpu"), 4, 2)
    assert table["size"].tolist() == [own.name for own in models for _ in range(3)]
    for model in models:
        own = table[table["size"] == model.name].set_index("component")
        for text in (True, False):
            layout, whole = adopt.read_layout(model), adopt.load(model, text=text)
            names = {layout.kind.denoiser: "unet", "vae": "autoencoder"}
            found = {"text_encoder": 0} if text else {}
            for name, network in whole.components.items():
                if isinstance(network, torch.nn.Module):
                    part = names.get(name, "text_encoder")
                    count = sum(values.numel() for values in network.parameters())
                    found[part] = found.get(part, 0) + count
            assert own["params"].to_dict() | found == own["params"].to_dict()
        for column in ("params_share", "gflops_share", "seconds_share"):
            assert own[column].sum() == pytest.approx(1)


def test_a_model_that_is_told_the_scale_evaluates_once_a_step(models, tmp_path):
    counts = counted(models, tmp_path).set_index("size")
    seconds = pd.concat([timed([own.name for own in models])])
    table = components_table(counts.reset_index(), seconds, 4, 2)
    spent = table.set_index(["component", "size"])["gflops"]
    for name, passes in (("stable-diffusion-xl", 8), ("consistency", 4), ("sana", 8)):
        assert spent["unet", name] == pytest.approx(passes * counts.loc[name, "gflops"])
        texts = passes / 4
        expected = texts * counts.loc[name, "caption_gflops"]
        assert spent["text_encoder", name] == pytest.approx(expected)


def test_a_model_that_is_never_guided_evaluates_once_a_step(models, tmp_path, monkeypatch):
    never = models[0].model_copy(update={"guidance": [1.0]})
    counts = counted([never], tmp_path)
    table = components_table(counts, timed([never.name]), 4, 8).set_index("component")
    assert table.loc["unet", "gflops"] == pytest.approx(4 * counts["gflops"].item())
    batches = []

    def measured(call, repeats, device):
        if isinstance(getattr(call, "func", None), torch.nn.Module):
            batches.append(len(call.args[0] if call.args else call.keywords["sample"]))
        return [1.0]

    monkeypatch.setattr(component_seconds, "timed", measured)
    seconds_table(at_fixed([never]), CPU)
    assert batches == [1]


def test_what_is_timed_has_the_batch_of_guidance_and_all_steps(models, monkeypatch):
    seen = {}

    def measured(call, repeats, device):
        network = getattr(call, "func", None)
        if isinstance(network, torch.nn.Module):
            batches = [len(own) for own in call.keywords.values() if torch.is_tensor(own)]
            seen[type(network).__name__, network.config.get("time_cond_proj_dim")] = max(batches)
        return [1.0]

    monkeypatch.setattr(component_seconds, "timed", measured)
    table = seconds_table(at_fixed(models), CPU)
    assert seen == {
        ("UNet2DConditionModel", None): 2,
        ("UNet2DConditionModel", 16): 1,
        ("SanaTransformer2DModel", None): 2,
    }
    by_part = table.groupby("component")["seconds"].unique()
    assert by_part["unet"].tolist() == [4] and by_part["autoencoder"].tolist() == [1]


def test_the_evaluations_of_a_pipelines_own_scheduler_are_counted_and_timed(tmp_path):
    # PNDM takes its second step twice, Heun evaluates at both ends of all steps but the last
    heun = {"class": "HeunDiscreteScheduler"}
    folder = str(pipelines.save("stable_diffusion", tmp_path / "pipeline"))
    given = {"pretrained": folder, "side": 32}
    models = [
        AdoptedModel(name="pndm", **given),
        AdoptedModel(name="heun", **given, scheduler=heun),
        UNKNOWN,
    ]
    counts = counted(models, tmp_path, native_steps=4)
    seconds = seconds_table(at_fixed(models, guidance=1.0), CPU).assign(device="cpu")
    found = {}
    for texts in (1, 2):
        table = components_table(counts, seconds, 4, texts)
        found[texts] = table.set_index(["component", "size"])["gflops"]
    own = counts.set_index("size")
    for name, evaluations in (("pndm", 5), ("heun", 7)):
        for texts, gflops in found.items():
            expected = texts * evaluations * own.loc[name, "gflops"]
            assert gflops["unet", name] == pytest.approx(expected)
            expected = texts * own.loc[name, "caption_gflops"]
            assert gflops["text_encoder", name] == pytest.approx(expected)
    parts = time_adopted.parts(at_fixed(models[:2], guidance=1.0), CPU)
    times = {part.size: part.times for part in parts if part.component == "unet"}
    assert times == {"pndm": 5, "heun": 7}


def test_a_model_that_is_neither_there_nor_known_is_left_out(models, tmp_path, capsys):
    listed = [UNKNOWN, models[0]]
    counts, seconds = counted(listed, tmp_path), seconds_table(at_fixed(listed), CPU)
    assert "the costs of other are left out" in capsys.readouterr().err
    assert seconds["status"].tolist() == ["unknown architecture"] * 3 + ["ok"] * 3
    table = components_table(counts, seconds.assign(device="cpu"), 4, 2).set_index("size")
    assert table.loc["other", ["params", "gflops", "seconds"]].isna().all(axis=None)
    assert table.loc[models[0].name, "params_share"].notna().all()
    drawn = figure.draw(table.reset_index())
    assert drawn.axes[0].texts[0].get_text() == "unknown"
    legend = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert legend == ["text encoder", "autoencoder", "denoiser"]


def test_public_models_are_split_before_they_are_downloaded(tmp_path):
    # parameters as published; FLOPs as counted elsewhere on networks of these shapes
    models = [
        AdoptedModel(name="sd1", pretrained="CompVis/stable-diffusion-v1-4", side=512),
        AdoptedModel(
            name="sana", pretrained="Efficient-Large-Model/Sana_600M_512px_diffusers", side=512
        ),
    ]
    counts = counted(models, tmp_path).set_index("size")
    expected = {"sd1": (859.5, 123.1, 803, 2515, 13), "sana": (591.7, 2614, 316, 2092, 1234)}
    for name, numbers in expected.items():
        own = counts.loc[name]
        found = own[["unet_params", "text_params"]] / 1e6
        gflops = own[["gflops", "decoder_gflops", "caption_gflops"]]
        assert [*found, *gflops] == pytest.approx(numbers, rel=0.005, abs=0.5)  # rounded


# ---------------------------------------------------------------- the figure


@pytest.fixture
def several():
    counts = pd.DataFrame(component_counts(CountComponentsSpec.of(study_of())))
    return components_table(counts, timed(study_of().family.sizes), 16, 2)


def test_bars_have_the_shares_and_their_whole(several):
    made = figure.draw(several)
    params = made.axes[0]
    widths = [[bar.get_width() for bar in bars] for bars in params.containers]
    assert len(widths) == 3 and [sum(own) for own in zip(*widths, strict=True)] == pytest.approx(
        [1] * 4
    )
    text = several.query("component == 'text_encoder'")["params_share"].tolist()
    assert widths[0] == pytest.approx(text)
    whole = several.query("size == 'c48'")["params"].sum()
    assert params.texts[-1].get_text() == f"{whole / 1e6:.3g} M"
    no_overlap(made)


def test_the_figure_has_equal_bytes(several, tmp_path):
    same_bytes(lambda: figure.draw(several), tmp_path)
