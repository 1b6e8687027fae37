"""Subjects: which are chosen, what is encoded of them, and what their images score."""

import csv
import json
from types import SimpleNamespace

import networks
import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTImageProcessor, ViTModel

from ldm_scaling.cells import score_subjects
from ldm_scaling.cells.metrics.dino import DinoFeatures
from ldm_scaling.cells.score_subjects import Scoring, Subjects, cosines, score
from ldm_scaling.cells.scores import CaptionScorer
from ldm_scaling.data.subjects import emoji_subjects, folder_subjects, subjects_csv
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.latents.encode_subjects import check_token, texts, without_token
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.study.dreambooth import Dino
from ldm_scaling.study.latents import TextEncoder
from ldm_scaling.study.metrics import Scorer
from ldm_scaling.workflow.specs.dreambooth import ScoreSubjectsSpec, SubjectsSpec

# ------------------------------------------------------------ which there are

STYLES = {"noto": "noto emoji style", "fluent": "3d fluent style"}


def spec(subjects, styles=tuple(STYLES), seed=0):
    return SubjectsSpec(seed=seed, subjects=subjects, image_size=8, styles=styles)


def write_split(folder, split, names):
    """A split of emoji: each of (name, styles) has a drawing in each style, of its own shade."""
    rows = [(name, style) for name, styles in names for style in styles]
    with (folder / f"{split}.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["index", "concept", "caption", "name"])
        for index, (name, style) in enumerate(rows):
            writer.writerow([index, name[::-1], f"{name}, {STYLES[style]}", f"{style}/{index}"])
    shade = np.arange(len(rows), dtype=np.uint8)[:, None, None, None]
    write_arrays(
        folder / f"{split}.safetensors", {"images": shade + np.zeros((1, 3, 8, 8), "u1")}, ""
    )


@pytest.fixture
def emoji(tmp_path):
    both = ["noto", "fluent"]
    test = [("tired cat", both), ("flag: Peru", both), ("wolf", both), ("red heart", both)]
    test += [("old dog", ["noto"]), ("very tired cat", both), ("blue heart", both), ("cat", both)]
    write_split(tmp_path, "test", test)
    train = [("grinning cat", both), ("heart suit", both), ("green heart", ["noto"])]
    write_split(tmp_path, "train", [*train, ("dog", both)])
    return tmp_path


def test_subjects_are_plain_names_of_known_classes_in_every_style(emoji):
    found = emoji_subjects(spec(4), emoji)
    assert {(s.name, s.noun) for s in found} == {
        ("tired cat", "cat"),
        ("red heart", "heart"),
        ("blue heart", "heart"),
        ("cat", "cat"),
    }
    shades = {s.name: sorted({int(image[0, 0, 0]) for image in s.images}) for s in found}
    assert shades["tired cat"] == [0, 1] and shades["red heart"] == [6, 7]
    assert subjects_csv(found).splitlines()[0] == "subject,name,class,images"


def test_the_choice_depends_on_the_seed_alone(emoji):
    choices = [[s.name for s in emoji_subjects(spec(2, seed=seed), emoji)] for seed in range(8)]
    assert choices[0] == [s.name for s in emoji_subjects(spec(2), emoji)]
    assert len({tuple(names) for names in choices}) > 1


def test_too_few_concepts_are_one_line(emoji):
    with pytest.raises(InputError, match=r"dreambooth\.subjects: 5 .* only 4 concepts"):
        emoji_subjects(spec(5), emoji)


def draw(path, shade, size=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 0)).save(path)


@pytest.fixture
def folders(tmp_path):
    for number, name in enumerate(["dog6", "rc_car", "can"]):
        for image in range(number + 1):
            draw(tmp_path / name / f"{image:02}.png", 10 * number + image)
    (tmp_path / "can" / "notes.txt").write_text("not an image")
    (tmp_path / "prompts.txt").write_text("not a folder")
    return tmp_path


def test_a_folder_is_a_subject_whose_name_tells_its_class(folders):
    found = folder_subjects(spec(3, styles=[]), folders)
    assert [(s.name, s.noun, len(s.images)) for s in found] == [
        ("can", "can", 3),
        ("dog6", "dog", 1),
        ("rc_car", "rc car", 2),
    ]
    assert found[0].images.shape == (3, 3, 8, 8) and found[0].images[1, 0, 0, 0] == 21
    (folders / "subjects.csv").write_text("subject,class\nrc_car,toy\n")
    assert [s.noun for s in folder_subjects(spec(3, styles=[]), folders)] == ["can", "dog", "toy"]


def test_folders_that_will_not_do_are_one_line(folders):
    with pytest.raises(InputError, match=r"dreambooth\.path: .*none is not a folder"):
        folder_subjects(spec(1, styles=[]), folders / "none")
    with pytest.raises(InputError, match=r"4 are asked for, but .* has 3 folders"):
        folder_subjects(spec(4, styles=[]), folders)
    (folders / "12").mkdir()
    with pytest.raises(InputError, match=r"12 has no image \(\.jpeg, \.jpg, \.png, \.webp\)"):
        folder_subjects(spec(4, styles=[]), folders)
    draw(folders / "12" / "a.png", 1)
    with pytest.raises(
        InputError, match=r"its name has no word for the class; write it in .*subjects\.csv"
    ):
        folder_subjects(spec(4, styles=[]), folders)
    (folders / "12" / "a.png").write_text("torn")
    (folders / "subjects.csv").write_text("subject,class\n12,toy\n")
    with pytest.raises(InputError, match=r"a\.png is missing, truncated or no usable image"):
        folder_subjects(spec(4, styles=[]), folders)
    (folders / "subjects.csv").write_text("name,class\n12,toy\n")
    with pytest.raises(InputError, match=r"subjects\.csv has no column subject"):
        folder_subjects(spec(4, styles=[]), folders)


# ------------------------------------------------------------ prompts


def test_prompts_have_the_token_before_the_class_or_the_class_alone():
    found = texts(["cat", "rc car"], "foo", ["a {subject}", "{subject}, flat"])
    assert found["instance"] == ["a foo cat", "a foo rc car"]
    assert found["class"] == ["a cat", "a rc car"]
    assert found["prompts"] == ["a foo cat", "foo cat, flat", "a foo rc car", "foo rc car, flat"]
    assert without_token(["cat"], ["a {subject}", "{subject}, flat"]) == ["a cat", "cat, flat"]


def test_the_token_is_one_piece_of_the_vocabulary():
    encoder = CaptionEncoder(TextEncoder(pretrained="minilm-l6", max_tokens=8, width=384))
    check_token(encoder, "foo")
    for token, pieces in (("sks", "sk ##s"), ("\N{SNOWMAN}", r"\[UNK\]")):
        with pytest.raises(InputError, match=rf"dreambooth\.token: .* reads {token} as {pieces};"):
            check_token(encoder, token)


# ------------------------------------------------------------ features

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """A vision transformer with random weights, as the hub's DINO models are saved."""
    folder = tmp_path_factory.mktemp("dino")
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = ViTConfig(**small, num_attention_heads=2, image_size=32, patch_size=8)
    ViTModel(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    ViTImageProcessor(size=size, image_mean=[0.5, 0.4, 0.3]).save_pretrained(folder)
    return folder


def test_dino_features_are_transformers_class_token(vit):
    found = DinoFeatures(Dino(pretrained=str(vit)))(IMAGES)
    model, prepare = ViTModel.from_pretrained(vit).eval(), ViTImageProcessor.from_pretrained(vit)
    shown = [Image.fromarray(image.transpose(1, 2, 0)) for image in IMAGES]
    with torch.no_grad():
        hidden = model(**prepare(images=shown, return_tensors="pt")).last_hidden_state
    np.testing.assert_allclose(found, hidden[:, 0].numpy(), atol=1e-5)
    assert found.shape == (5, 32) and np.ptp(found, axis=0).max() > 1e-3


def test_dino_without_its_files_is_one_line(vit, tmp_path):
    with pytest.raises(InputError, match=r"dreambooth\.dino nowhere: no such folder"):
        DinoFeatures(Dino(pretrained="nowhere"))
    with pytest.raises(InputError, match=r"dreambooth\.dino: .*config\.json is missing"):
        DinoFeatures(Dino(pretrained=str(tmp_path)))
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((vit / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="is no ViTModel that transformers can load"):
        DinoFeatures(Dino(pretrained=str(tmp_path)))


def test_clip_embeddings_are_open_clips(tmp_path):
    folder = networks.clip(tmp_path / "clip")
    found = CaptionScorer(Scorer(name="clip_score", pretrained=str(folder)), ["a wolf"]).embed(
        IMAGES
    )
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    shown = [preprocess(Image.fromarray(image.transpose(1, 2, 0))) for image in IMAGES]
    with torch.no_grad():
        expected = model.eval().encode_image(torch.stack(shown), normalize=True)
    torch.testing.assert_close(found, expected)


def test_cosines_are_of_every_pair():
    found = cosines(np.array([[1.0, 0], [3, 4]]), np.array([[2.0, 0], [0, 5], [-1, 0]]))
    np.testing.assert_allclose(found, [[1, 0, -1], [0.6, 0.8, -0.6]])


# ------------------------------------------------------------ scores

PROMPTS = ["a {subject}", "{subject}, flat"]


def score_spec(scorers=(), clip_like=True):
    setting = {"sampler": "ddim", "schedule": "trailing", "steps": 2, "guidance": 3}
    keys = {"size": "c8", "training_seed": 0, "setting": setting, "seed": 0, "prompts": PROMPTS}
    keys |= {"diffusion": {"prediction": "epsilon"}, "images_per_prompt": 3, "scorers": scorers}
    extractors = [{"name": "effnet_lite0", "input_size": 32}]
    keys |= {"extractors": extractors, "clip_like": clip_like}
    return ScoreSubjectsSpec.model_validate(keys)


class Painter:
    """In a sampler's place: images that depend on the noise's row, and on the text if told so."""

    def __init__(self, listens=False, finite=True):
        self.network = SimpleNamespace(device="cpu")
        self._listens, self._finite = listens, finite
        self.rows = []

    def images_of(self, text, rows, setting, seed):
        """Random images of these rows."""
        self.rows += rows
        told = [int(1000 * abs(own.sum())) if self._listens else 0 for own in text]
        images = [
            np.random.default_rng((row, number)).integers(0, 256, (3, 16, 16), dtype=np.uint8)
            for row, number in zip(rows, told, strict=True)
        ]
        return np.stack(images), self._finite


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two subjects with two images each, their texts, and maps of a CLIP-like score."""
    folder = tmp_path_factory.mktemp("scores")
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)
    write_arrays(folder / "images", {"images": images, "subject": np.array([0, 0, 1, 1])}, "images")
    shapes = {"prompts": (2, 2, 4, 8), "class": (2, 4, 8), "empty": (4, 8), "sentences": (2, 2, 8)}
    encoded = {n: generator.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
    write_arrays(folder / "encoded", encoded, "encoded")
    maps = {}
    for kind, width in (("image", 1280), ("text", 8)):
        maps[f"{kind}_mean"] = generator.standard_normal(width).astype(np.float32)
        maps[f"{kind}_scale"] = 1 + generator.random(width).astype(np.float32)
        maps[f"{kind}_weight"] = generator.standard_normal((width, 5)).astype(np.float32)
    write_arrays(folder / "maps", maps, "maps")
    (folder / "table.csv").write_text("subject,name,class,images\n0,a,cat,2\n1,b,car,2\n")
    return folder


def scoring(folder, spec, clip_like="maps"):
    options = SimpleNamespace(
        weights=None,
        clip_like=clip_like and folder / clip_like,
        subjects=folder / "encoded",
        table=folder / "table.csv",
    )
    return Scoring(spec, options, "cpu")


def of_subject(folder, painters, spec=None, subject=1, **changed):
    spec = spec or score_spec()
    subjects = Subjects(folder / "encoded", folder / "images")
    samplers = dict(zip(("pretrain", "dreambooth"), painters, strict=True))
    return score(samplers, scoring(folder, spec, **changed), subjects, subject, spec, 4)


def test_noise_is_that_of_the_subjects_rows_before_and_after_and_of_its_class(folder):
    painters = Painter(), Painter()
    found = of_subject(folder, painters)
    assert painters[0].rows == painters[1].rows == [*range(6, 12), *range(6, 12)]
    np.testing.assert_allclose(found["dreambooth/drift_effnet_lite0"], 0, atol=1e-6)
    before, after = (
        {name.split("/")[1]: value for name, value in found.items() if name.startswith(stage)}
        for stage in ("pretrain", "dreambooth")
    )
    assert set(after) - set(before) == {"drift_effnet_lite0"}
    for name in ("similarity_effnet_lite0", "clip_like", "images"):
        np.testing.assert_array_equal(before[name], after[name])
    assert after["images"].shape == (1, 2, 3, 16, 16)  # the first of three of each prompt
    expected, _ = Painter().images_of(np.zeros((2, 1)), [6, 9], None, 0)
    np.testing.assert_array_equal(after["images"][0], expected)


def test_another_model_drifts(folder):
    found = of_subject(folder, (Painter(), Painter(listens=True)))
    drift = found["dreambooth/drift_effnet_lite0"]
    assert drift.shape == (1, 6) and (drift > 1e-3).all() and (drift < 2).all()


def test_similarity_is_the_mean_over_the_subjects_own_images(folder):
    found = of_subject(folder, (Painter(), Painter()), subject=1)[
        "pretrain/similarity_effnet_lite0"
    ]
    extract = scoring(folder, score_spec())._extract
    subjects = Subjects(folder / "encoded", folder / "images")
    images, _ = Painter().images_of(np.zeros((6, 1)), range(6, 12), None, 0)
    own, real = (torch.from_numpy(extract(i)) for i in (images, subjects.real(1)))
    pairs = torch.nn.functional.cosine_similarity(own[:, None], real[None], dim=2)
    np.testing.assert_allclose(found[0], pairs.mean(dim=1), atol=1e-5)


def test_the_clip_score_is_with_the_prompt_without_the_token(folder, tmp_path):
    network = networks.clip(tmp_path / "clip")
    spec = score_spec([{"name": "clip_score", "pretrained": str(network)}], clip_like=False)
    found = of_subject(folder, (Painter(), Painter()), spec, clip_like=None)
    assert {"pretrain/clip_score", "pretrain/clip_i"} < set(found)
    images, _ = Painter().images_of(np.zeros((6, 1)), range(6, 12), None, 0)
    captions = ["a car"] * 3 + ["car, flat"] * 3
    expected = CaptionScorer(spec.scorers[0], captions)(images, slice(0, 6))
    np.testing.assert_allclose(found["pretrain/clip_score"][0], expected, atol=1e-6)


def test_images_that_are_not_finite_have_no_numbers(folder):
    found = of_subject(folder, (Painter(), Painter(finite=False)))
    for metric in ("similarity_effnet_lite0", "clip_like", "drift_effnet_lite0"):
        assert np.isnan(found[f"dreambooth/{metric}"]).all()
    assert not found["dreambooth/images"].any() and found["pretrain/images"].any()
    assert np.isfinite(found["pretrain/similarity_effnet_lite0"]).all()


def test_a_model_for_each_subject_is_asked_for(folder, monkeypatch, capsys):
    arguments = ["--spec", json.dumps(score_spec().model_dump(mode="json")), "--model", "x"]
    arguments += ["--taught", "y", "--autoencoder", "z", "--table", "t", "--work-dir", "w"]
    arguments += ["--subjects", str(folder / "encoded"), "--images", str(folder / "images")]
    monkeypatch.setattr("sys.argv", ["score", *arguments, "--out", "out"])
    with pytest.raises(SystemExit) as stopped:
        score_subjects.main()
    assert stopped.value.code == 2
    assert "argument --taught: 2 folders, one of each subject" in capsys.readouterr().err
