"""Effects that are planted in worlds of cells, and the claims that they make true or false."""

from functools import cache

import numpy as np


def larger_is_better(r):
    return -0.3 * r["z"]


def but_one(effect, size="c192", times=-1):
    """The effect, reversed for one size, or so many times as large."""
    return lambda r: effect(r) * np.where(r["size"] == size, times, 1)


def trained(r):
    return np.log(r["trained"])


def gain_after(share):
    """Each doubling up to half of the training gains as much, those after it a share of that."""
    return lambda r: (
        -0.3
        * (np.log(np.minimum(r["trained"], 0.5)) + share * np.log(np.maximum(r["trained"], 0.5)))
    )


def crossing(at):
    """Smaller sizes are better below a sampling cost, larger ones above it."""
    return lambda r: 0.1 * r["z"] * (np.log(at) - r["x"])


def dearer_is_better(effect):
    """The effect, and a gain of every size with its cost."""
    return lambda r: effect(r) - 0.5 * r["x"]


def best_scale(of, strength=0.3):
    """Quality is best at the scale whose log2 `of` gives."""
    return lambda r: strength * (np.log2(r["guidance"]) - of(r)) ** 2


def by_both(size, guidance):
    """What a quality or an alignment changes by with size and by guidance."""
    return lambda r: size * r["z"] + guidance * np.log(r["guidance"])


def off(r):
    """The fixed setting's guidance is far from the best."""
    return best_scale(lambda r: 1.5)(r) - 0.02 * r["z"]


def under(sampler, effect):
    return lambda r: effect(r) * (r["sampler"] == sampler)


def few(r):
    return 0.3 * (r["steps"] <= 20)


def flipped(sampler):
    return lambda r: larger_is_better(r) * np.where(r["sampler"] == sampler, -1, 1)


def negative(effect):
    return lambda r: -effect(r)


def distilled(worth, strength=0.3):
    """Quality falls with the steps; one of a student is worth so many as `worth` says."""
    return lambda r: -strength * np.log(r["steps"] * np.where(r["stage"] == "distill", worth(r), 1))


def with_size(worth):
    """A student's steps are worth more at larger sizes."""
    return lambda r: worth * np.exp(0.5 * r["z"])


def five(r):
    return 5.0


def level(factor, stage="distill"):
    """The quality of a stage is so many times the common one."""
    return lambda r: np.log(factor) * (r["stage"] == stage)


@cache
def level_of(undistilled, large):
    """Undistilled smaller sizes and the larger distilled ones are worse by such factors."""
    return lambda r: (
        np.log(undistilled) * ((r["stage"] == "pretrain") & (r["size"] != "c320"))
        + np.log(large) * ((r["stage"] == "distill") & (r["size"] == "c320"))
    )


def guided(gains):
    """Progressive distillation gains by size; `gains` of c96 and of c192."""
    return lambda r: -r["stage"].str.startswith("guided") * np.where(r["size"] == "c96", *gains)


def scott(effect):
    """The effect on the arm that is the whole method."""
    return lambda r: effect(r) * (r["stage"] == "distill_adversary")


def on_average(r):
    """A gain at all sizes but one, and a larger one than its loss."""
    return np.where(r["size"] == "c192", 0.02, -0.1)


def tiers(r):
    """Sizes above the paper's 223M keep a subject better, and alike."""
    return 0.1 * (r["z"] > 0.5)


def one_is_ahead(r):
    """One stitched trajectory is better than anything else."""
    return -0.2 * (r["size"] == "c128-c320 10-10")


def is_made(r):
    """Noise that was made for a score."""
    return r["kind"] != "none"


def is_climbed(r):
    return r["kind"] == "ascent"


def is_fitted(r):
    return is_made(r) & ~is_climbed(r)


def bigger_encoder(r):
    """Text encoders matter more than U-Nets."""
    return -0.3 * np.log(r["text_params"]) - 0.02 * np.log(r["unet_params"])


def arms(easy, hard=lambda r: 0.0):
    """A curriculum changes log quality by `easy`, one that begins with low noise by `hard`."""
    return lambda r: (
        easy(r) * (r["stage"] == "curriculum_easy_to_hard")
        + hard(r) * (r["stage"] == "curriculum_hard_to_easy")
    )


def by(change):
    """The same change at every size."""
    return lambda r: change


def rising(r):
    """A gain of a tenth at the smallest size, and more at larger ones."""
    return -0.1 - 0.1 * (r["z"] - r["z"].min())


def by_guidance(r):
    """More images have light tones where guidance is strong."""
    return 0.05 * np.log(r["guidance"] / 3)


def removed(by, strength=4):
    """Distribution guidance of this strength takes so much of the share of light tones away."""
    return lambda r: -by * ((r["arm"] == "guided") & (r["strength"] == strength))


# id: the effects on log quality, and on alignment, for which it holds; then for which it does not
def pair(holds, fails, of="quality"):
    return {of: holds}, {of: fails}


def odd(effect, of="quality"):
    return pair(effect, negative(effect), of)


def _ahead(r):
    """Smaller sizes are better up to 20 steps, larger ones beyond."""
    return np.where(r["steps"] <= 20, 1, -1)


BUDGETS = {
    "smaller-wins-at-the-cost-of-2-steps": odd(crossing(5)),
    "smaller-wins-at-the-cost-of-4-steps": odd(crossing(5)),
    "smaller-is-ahead-on-average": odd(crossing(1000)),
    "largest-wins-the-highest-budget": pair(
        dearer_is_better(crossing(5)), dearer_is_better(negative(crossing(5)))
    ),
}
WORLDS = BUDGETS | {
    "quality-improves-with-size": odd(larger_is_better),
    "quality-improves-at-every-size": pair(larger_is_better, but_one(larger_is_better)),
    "alignment-improves-with-size": odd(lambda r: 0.01 * r["z"], "alignment"),
    "alignment-saturates-with-size": pair(
        lambda r: 0.01 * np.minimum(r["z"], 0), lambda r: 0.01 * np.maximum(r["z"], 0), "alignment"
    ),
    "alignment-gains-less-than-quality-with-size": (
        {"quality": larger_is_better, "alignment": lambda r: 0.01 * r["z"]},
        {"quality": lambda r: -0.01 * r["z"], "alignment": lambda r: 0.05 * r["z"]},
    ),
    "quality-improves-with-training": pair(
        lambda r: -0.3 * trained(r), but_one(lambda r: -0.3 * trained(r))
    ),
    "alignment-improves-with-training": pair(
        lambda r: 0.01 * trained(r), but_one(lambda r: 0.01 * trained(r)), "alignment"
    ),
    "training-returns-diminish": pair(
        lambda r: np.log(1 + 0.2 / r["trained"]), lambda r: np.log(2 - r["trained"])
    ),
    "training-trends-settle": pair(
        lambda r: -0.3 * np.log(np.minimum(r["trained"], 0.5)),
        lambda r: -0.3 * np.log(np.maximum(r["trained"], 0.5)),
    ),
    "training-compute-matters-more-than-size": pair(
        lambda r: -0.2 * np.log(r["gflops"] * r["trained"]), larger_is_better
    ),
    "training-trends-are-alike": pair(
        lambda r: -0.3 * trained(r), lambda r: -0.3 * trained(r) * (r["z"] > 0)
    ),
    "guidance-moves-quality-more-than-alignment": (
        {"quality": by_both(-0.3, -0.3), "alignment": by_both(0.01, 0.001)},
        {"quality": by_both(-0.3, -0.03), "alignment": by_both(0.01, 0.01)},
    ),
    "few-steps-want-weaker-guidance": pair(
        best_scale(lambda r: 0.5 * np.log2(r["steps"]) - 0.3),
        best_scale(lambda r: 4 - 0.5 * np.log2(r["steps"])),
    ),
    "large-sizes-want-weaker-guidance": pair(
        best_scale(lambda r: 1.8 - 0.5 * r["z"]), best_scale(lambda r: 1.8 + 0.5 * r["z"])
    ),
    "retuning-guidance-beats-size": pair(off, larger_is_better),
    "retuning-guidance-of-c128-beats-size": pair(off, larger_is_better),
    "smaller-wins-over-a-range-of-budgets": odd(crossing(1000)),
    "advantage-of-smaller-shrinks-with-budget": odd(crossing(5)),
    "c96-is-best-at-cost-3": pair(
        lambda r: 0.1 * (r["z"] - np.log(83 / 145)) ** 2, larger_is_better
    ),
    "c128-beats-c320-at-cost-6": odd(crossing(1000)),
    "c128-beats-c320-at-cost-12": odd(crossing(1000)),
    **{
        f"smaller-wins-at-the-cost-of-{steps}-steps-on-{schedule}": odd(crossing(5))
        for steps in (2, 4)
        for schedule in ("trailing", "leading", "linspace")
    },
    **{
        f"smaller-wins-at-the-cost-of-{steps}-steps-in-{cost}": odd(crossing(1000))
        for steps in (2, 4)
        for cost in ("guided-cost", "total-cost", "seconds")
    },
    "ddpm-is-worse-at-fewest-steps": pair(under("ddpm", few), under("ddpm", but_one(few))),
    "dpmpp-is-better-up-to-20-steps": pair(
        under("dpmpp", negative(few)), under("dpmpp", lambda r: 0.3 * (r["steps"] < 10))
    ),
    **{f"{id_}-with-{name}": BUDGETS[id_] for id_ in BUDGETS for name in ("ddpm", "dpmpp")},
    "distill-improves-every-size": pair(
        distilled(five), lambda r: but_one(level(0.8))(r) * (r["stage"] == "distill")
    ),
    "distill-reaches-20-steps": pair(distilled(five), distilled(lambda r: 2.0)),
    "distill-accelerates-five-times": pair(distilled(five), distilled(lambda r: 2.5)),
    "distill-accelerates-all-sizes-alike": pair(distilled(five), distilled(with_size(3))),
    "distill-leaves-a-smaller-size-as-good": pair(level_of(1, 1.1), level_of(1.3, 1)),
    "distill-leaves-a-smaller-size-as-good-in-guided-cost": pair(
        level_of(1, 1.1), level_of(1.3, 1)
    ),
    "distill-leaves-c96-as-good-as-c320": pair(level_of(1, 1.1), level_of(1.3, 1)),
    "distill-leaves-c96-as-good-as-c320-in-guided-cost": pair(level_of(1, 1.1), level_of(1.3, 1)),
    "guided-distill-gains-are-inconsistent": pair(guided((0.2, -0.2)), guided((0.2, 0.15))),
    "scott-improves-2-steps-at-every-size": pair(scott(lambda r: -0.1), scott(on_average)),
    "scott-covers-more": odd(scott(lambda r: 0.1), "covered"),
    "scott-gain-shrinks-with-steps": odd(scott(lambda r: -0.3 / r["steps"])),
    "scott-gain-grows-with-size": odd(scott(larger_is_better)),
    "scott-gain-shrinks-with-size": odd(scott(lambda r: 0.3 * r["z"])),
    "superres-quality-follows-size": pair(larger_is_better, lambda r: -0.3 * trained(r)),
    "superres-large-and-brief-beats-small-and-long": odd(larger_is_better),
    "superres-lpips-follows-compute": pair(
        lambda r: -0.3 * np.log(r["gflops"] * r["trained"]),
        lambda r: 0.3 * r["z"],  # larger sizes are worse: size matters, to their disadvantage
        "perceptual",
    ),
    "superres-inception-score-behaves-as-fid": (
        {"quality": larger_is_better, "score": lambda r: 0.3 * r["z"]},
        {"quality": larger_is_better, "score": lambda r: -0.3 * r["z"]},
    ),
    "superres-small-is-efficient-to-20-steps": odd(lambda r: 0.3 * r["z"] * _ahead(r)),
    "superres-large-is-efficient-beyond-20-steps": odd(lambda r: 0.3 * r["z"] * _ahead(r)),
    "superres-gaps-are-smaller-beyond-20-steps": pair(
        lambda r: 0.3 * r["z"] * (r["steps"] <= 20), lambda r: 0.3 * r["z"] * (r["steps"] > 20)
    ),
    "dreambooth-larger-is-better": odd(lambda r: 0.1 * r["z"], "subjects"),
    "dreambooth-has-two-tiers": pair(tiers, lambda r: 0.1 * r["z"], "subjects"),
    "dreambooth-tiers-are-the-papers": pair(tiers, negative(tiers), "subjects"),
    "distances-rank-sizes-alike": (
        {"quality": larger_is_better},
        {"quality": larger_is_better, "kid": lambda r: 0.6 * r["z"]},
    ),
    "alignment-ranks-sizes-as-fd-does": (
        {"quality": larger_is_better, "alignment": lambda r: 0.01 * r["z"]},
        {"quality": larger_is_better, "alignment": lambda r: -0.01 * r["z"]},
    ),
    "stitch-beats-every-size-at-some-budget": pair(one_is_ahead, lambda r: 0.2, "stitched"),
    "stitch-wants-the-small-size-first": odd(lambda r: -0.1 * r["rising"], "stitched"),
    "bias-grows-with-guidance": odd(by_guidance, "tones"),
    "bias-grows-with-size": odd(lambda r: 0.03 * r["z"], "tones"),
    "bias-shrinks-with-size": odd(lambda r: -0.03 * r["z"], "tones"),
    "guidance-halves-the-discrepancy-at-every-size": pair(removed(0.12), removed(0.05), "tones"),
    "a-smaller-size-is-fairer-at-the-cost-of-the-largest": odd(lambda r: 0.03 * r["z"], "tones"),
    "candidates-of-a-smaller-size-beat-one-of-the-largest": pair(
        lambda r: 0.1 * r["doublings"], lambda r: 0.1 * r["z"], "judged"
    ),
    "candidates-gain-more-under-the-verifier": (
        {"looked": lambda r: 0.2 * r["doublings"], "judged": lambda r: 0.05 * r["doublings"]},
        {"looked": lambda r: 0.1 * r["doublings"], "judged": lambda r: 0.1 * r["doublings"]},
    ),
    "candidates-cost-coverage": odd(lambda r: -0.05 * r["doublings"], "varied"),
    "inversion-beats-as-many-candidates": pair(
        lambda r: 0.1 * is_fitted(r), lambda r: 0.1 * is_climbed(r) - 0.02 * is_fitted(r), "made"
    ),
    "ascent-beats-as-many-candidates": (
        {"made": lambda r: 0.5 * is_climbed(r), "judged": lambda r: 0.1 * r["doublings"]},
        # ten gradient steps are better than the most candidates, and cost more
        {
            "made": lambda r: 0.05 * is_climbed(r) + 0.5 * (r["steps_up"] == 10),
            "judged": lambda r: 0.1 * r["doublings"],
        },
    ),
    "inversion-gains-more-under-its-own-score": (
        {"made": lambda r: 0.05 * is_made(r), "own_score": lambda r: 0.2 * is_made(r)},
        {"made": lambda r: 0.1 * is_made(r), "own_score": lambda r: 0.1 * is_made(r)},
    ),
    "adaptive-search-reaches-its-aim": pair(lambda r: -0.1, lambda r: 0.3, "searches"),
    "bigger-text-encoder-wins-at-equal-parameters": odd(bigger_encoder, "split"),
    "bigger-text-encoder-wins-at-equal-flops": odd(bigger_encoder, "split"),
    "curriculum-helps": odd(arms(by(-0.1))),
    "curriculum-wants-high-noise-first": odd(arms(by(-0.1))),
    "curriculum-helps-small-sizes-more": odd(arms(lambda r: 0.1 * r["z"])),
    "sizes-compare-alike-with-ddpm": pair(larger_is_better, flipped("ddpm")),
    "sizes-compare-alike-with-dpmpp": pair(larger_is_better, flipped("dpmpp")),
}


# what is false where nothing has any effect: something is to gain, to be ranked, or to correlate
FALSE_WITHOUT_EFFECT = {
    "guided-distill-gains-are-inconsistent",
    "guidance-halves-the-discrepancy-at-every-size",
    "superres-inception-score-behaves-as-fid",
    "sizes-compare-alike-with-ddpm",
    "sizes-compare-alike-with-dpmpp",
    "distances-rank-sizes-alike",
    "alignment-ranks-sizes-as-fd-does",
}
# of claims that values are as good or alike: what makes them differ by as much as they may
BORDERLINE = {
    "distill-accelerates-five-times": distilled(lambda r: 7.5, strength=0.03),
    "distill-reaches-20-steps": level(1.05),
    "distill-leaves-a-smaller-size-as-good": level_of(1.05, 1),
    "distill-leaves-a-smaller-size-as-good-in-guided-cost": level_of(1.05, 1),
    "distill-leaves-c96-as-good-as-c320": level_of(1.05, 1),
    "distill-leaves-c96-as-good-as-c320-in-guided-cost": level_of(1.05, 1),
}
