"""The nearest false world of each claim, which a careless statistic of its sentence would pass."""

import numpy as np
from claim_effects import (
    BUDGETS,
    arms,
    but_one,
    by,
    by_both,
    by_guidance,
    crossing,
    dearer_is_better,
    distilled,
    few,
    gain_after,
    guided,
    is_fitted,
    is_made,
    larger_is_better,
    level,
    negative,
    off,
    one_is_ahead,
    removed,
    rising,
    scott,
    trained,
    under,
)


def of_sizes(**effects):
    """An effect of each size, none of the others."""
    return lambda r: r["size"].map(effects).fillna(0.0)


# the largest size is a little better than the smallest; along all sizes quality gets worse
ENDS = of_sizes(c96=-0.1, c192=0.1, c320=-0.02)


def plus(*effects):
    return lambda r: sum(effect(r) for effect in effects)


def times(factor, effect):
    return lambda r: factor * effect(r)


def on(sampler, effect, elsewhere):
    """An effect on a sampler, or on one of its schedules, and another one elsewhere."""
    return lambda r: np.where(r["sampler"] == sampler, effect(r), elsewhere(r))


def ahead_for_long(r):
    """The smaller size is a little ahead over most log costs, and far behind over the rest."""
    return r["z"] * np.where(r["x"] < np.log(20), 0.01, -0.3)


def worst_pair(effect, size="c320"):
    """The effect, except that one size stands between the two before it."""
    return lambda r: np.where(r["size"] == size, effect(r.assign(z=0.17)), effect(r))


def largest_wins_at(steps):
    """Smaller sizes are better at equal cost, except at that of these steps of the largest."""
    usual = dearer_is_better(crossing(1000))
    return lambda r: np.where((r["size"] == "c320") & (r["steps"] == steps), -1.5, usual(r))


def taking_turns(r):
    """From 4 to 8 times the cost of a step of c320, first c64 is ahead of it, then c128."""
    ahead = 0.2 * (r["size"] == "c64") + 0.5 * (r["size"] == "c128")
    return 0.1 * (r["size"] != "c320") - ahead * (r["steps"] == 50)


def best_at(scale, loss=0.1):
    """All scales but one lose as much."""
    return lambda r: loss * (r["guidance"] != scale(r))


def at_strongest(effect):
    return lambda r: effect(r) * (r["guidance"] == 8)


def mostly_size(r):
    """Size matters 2.5 times as much as training does."""
    return -0.25 * r["z"] - 0.1 * trained(r)


# effects on log quality, for the claims on sizes at budgets that are made of each sampler
OF_BUDGETS = {
    # ahead on average, and at all costs but this one
    **{f"smaller-wins-at-the-cost-of-{steps}-steps": largest_wins_at(steps) for steps in (2, 4)},
    "smaller-is-ahead-on-average": ahead_for_long,
    # better than smaller sizes at that cost, and not than what they were at fewer steps
    "largest-wins-the-highest-budget": (
        lambda r: -0.05 * r["z"] - 0.3 * ((r["steps"] == 20) & (r["z"] < 0))
    ),
}
NEAREST = {
    # the largest is better than the smallest; the trend is the other way
    "quality-improves-with-size": {"quality": ENDS},
    "alignment-improves-with-size": {"alignment": times(-0.1, ENDS)},
    # larger sizes are better, and the largest is a little worse than the next
    "quality-improves-at-every-size": {
        "quality": lambda r: -0.3 * np.minimum(r["z"], 0.6) + 0.02 * (r["size"] == "c320")
    },
    # it rises more slowly, and does not stop
    "alignment-saturates-with-size": {
        "alignment": lambda r: 0.01 * np.where(r["z"] < 0, r["z"], 0.6 * r["z"])
    },
    # FID changes by a larger factor, and closes a smaller share of its gap
    "alignment-gains-less-than-quality-with-size": {
        "quality": lambda r: -0.07 * r["z"],
        "alignment": lambda r: 0.018 * r["z"],
    },
    # at one size, training makes it a little worse
    "quality-improves-with-training": {"quality": but_one(lambda r: -0.3 * trained(r), times=-0.1)},
    "alignment-improves-with-training": {
        "alignment": but_one(lambda r: 0.01 * trained(r), times=-0.1)
    },
    # each doubling brings less than the one before; at one size, the last one does harm
    "training-returns-diminish": {
        "quality": lambda r: (
            np.log(1 + 0.2 / r["trained"]) + 0.2 * ((r["size"] == "c192") & (r["trained"] == 1))
        )
    },
    # all that comes after 40 % is less than half of all before, in fewer doublings
    "training-trends-settle": {"quality": gain_after(0.45)},
    # compute does much, since it contains size
    "training-compute-matters-more-than-size": {"quality": mostly_size},
    # training helps each size, one of them less than half as much as the mean
    "training-trends-are-alike": {"quality": but_one(lambda r: -0.3 * trained(r), times=0.4)},
    # guidance changes FID by more percent, and by less of what size changes it by
    "guidance-moves-quality-more-than-alignment": {
        "quality": by_both(-0.3, -0.15),
        "alignment": by_both(0.01, 0.008),
    },
    # the best scale is weaker there, and the strongest one loses less
    "few-steps-want-weaker-guidance": {
        "quality": plus(
            best_at(lambda r: np.where(r["steps"] <= 4, 3, 5)),
            at_strongest(lambda r: 0.05 * np.log2(r["steps"])),
        )
    },
    "large-sizes-want-weaker-guidance": {
        "quality": plus(
            best_at(lambda r: np.where(r["z"] > 0, 3, 5)), at_strongest(lambda r: -0.05 * r["z"])
        )
    },
    # sizes differ, and the larger ones are worse
    "retuning-guidance-beats-size": {"quality": negative(larger_is_better)},
    # the other sizes gain, and so does the mean
    "retuning-guidance-of-c128-beats-size": {
        "quality": lambda r: off(
            r.assign(guidance=np.where(r["size"] == "c128", 7.5, r["guidance"]))
        )
    },
    # every search succeeds, and takes too many images
    "adaptive-search-reaches-its-aim": {"searches": by(-0.1), "search_images": 36},
    **{id_: {"quality": effect} for id_, effect in OF_BUDGETS.items()},
    # so it is with this sampler only
    **{
        f"{id_}-with-{name}": {"quality": on(name, effect, BUDGETS[id_][0]["quality"])}
        for id_, effect in OF_BUDGETS.items()
        for name in ("ddpm", "dpmpp")
    },
    # so it is on this schedule only
    **{
        f"smaller-wins-at-the-cost-of-{steps}-steps-on-{schedule}": {
            "quality": on(f"ddim/{schedule}", largest_wins_at(steps), crossing(5))
        }
        for steps in (2, 4)
        for schedule in ("trailing", "leading", "linspace")
    },
    # smaller sizes win by sampling cost, and take four times as much of this one as it says
    **{
        f"smaller-wins-at-the-cost-of-{steps}-steps-in-{cost}": {
            "quality": dearer_is_better(crossing(5)),
            "costlier": {cost.replace("-", "_"): lambda r: np.log(4) * (r["size"] != "c320")},
        }
        for steps in (2, 4)
        for cost in ("guided-cost", "total-cost", "seconds")
    },
    # at each cost some smaller size is ahead, and no single one is at all of them
    "smaller-wins-over-a-range-of-budgets": {"quality": taking_turns},
    # it is behind from the beginning, and falls further behind
    "advantage-of-smaller-shrinks-with-budget": {"quality": crossing(0.3)},
    # better than all but its neighbour
    "c96-is-best-at-cost-3": {
        "quality": lambda r: 0.1 * (r["z"] - np.log(83 / 145)) ** 2 - 0.05 * (r["size"] == "c128")
    },
    # it wins at the other cost
    "c128-beats-c320-at-cost-6": {"quality": negative(crossing(9))},
    "c128-beats-c320-at-cost-12": {"quality": crossing(9)},
    # at one size it is a little better
    "ddpm-is-worse-at-fewest-steps": {"quality": under("ddpm", but_one(few, times=-0.1))},
    # better at the step counts at which both samplers are one algorithm, and not beyond
    "dpmpp-is-better-up-to-20-steps": {
        "quality": under("dpmpp", lambda r: np.where(r["steps"] <= 2, -0.5, 0.05))
    },
    # all pairs but one are ranked alike
    **{
        f"sizes-compare-alike-with-{name}": {
            "quality": on(name, worst_pair(larger_is_better), larger_is_better)
        }
        for name in ("ddpm", "dpmpp")
    },
    # at one size it is a little worse
    "distill-improves-every-size": {
        "quality": lambda r: but_one(level(0.8), times=-0.1)(r) * (r["stage"] == "distill")
    },
    # ten times at one size, five times at all others, the smallest and the largest among them
    "distill-accelerates-all-sizes-alike": {
        "quality": distilled(lambda r: np.where(r["size"] == "c192", 10, 5))
    },
    # gains that differ, and are all gains
    "guided-distill-gains-are-inconsistent": {"quality": guided((0.4, 0.05))},
    # better on average over sizes at 2 steps, and over steps at each size
    "scott-improves-2-steps-at-every-size": {
        "quality": scott(lambda r: np.where((r["size"] == "c192") & (r["steps"] == 2), 0.02, -0.1))
    },
    # another arm covers more, and at more steps so does the whole method
    "scott-covers-more": {
        "covered": lambda r: (
            0.1 * (r["stage"] == "distill_noise")
            + scott(lambda r: np.where(r["steps"] == 2, -0.02, 0.1))(r)
        )
    },
    # the most is gained at 1 step
    "scott-gain-shrinks-with-steps": {
        "quality": scott(lambda r: -0.1 - 0.2 * (r["steps"] == 1) + 0.05 * (r["steps"] == 2))
    },
    # it gains at all sizes, at the largest more than at the smallest; the trend is the other way
    "scott-gain-grows-with-size": {"quality": scott(plus(by(-0.15), ENDS))},
    "scott-gain-shrinks-with-size": {"quality": scott(plus(by(-0.15), negative(ENDS)))},
    # size matters more than compute, and only twice as much
    "superres-quality-follows-size": {
        "quality": lambda r: -0.3 * r["z"] - 0.15 * np.log(r["gflops"] * r["trained"])
    },
    # the large one is better after as much finetuning, which matters more
    "superres-large-and-brief-beats-small-and-long": {
        "quality": lambda r: -0.1 * r["z"] - 0.2 * trained(r)
    },
    # compute does much, since it contains size
    "superres-lpips-follows-compute": {"perceptual": mostly_size},
    # the score follows training; quality follows size, and training a little
    "superres-inception-score-behaves-as-fid": {
        "quality": lambda r: -0.3 * r["z"] - 0.1 * trained(r),
        "score": lambda r: 0.3 * trained(r),
    },
    "superres-small-is-efficient-to-20-steps": {
        "quality": lambda r: r["z"] * np.where(r["steps"] < 20, 0.01, -0.3)
    },
    # better at as many steps, and worse at the same cost
    "superres-large-is-efficient-beyond-20-steps": {
        "quality": lambda r: -0.2 * r["z"] - 0.5 * np.log(r["steps"])
    },
    # they differ by fewer points, of a lower distance, and by more percent
    "superres-gaps-are-smaller-beyond-20-steps": {
        "quality": dearer_is_better(lambda r: 0.1 * r["z"] * np.where(r["steps"] <= 20, 1, 1.3))
    },
    # the largest is better than the smallest; the trend is the other way
    "dreambooth-larger-is-better": {"subjects": negative(ENDS)},
    # almost even steps from size to size
    "dreambooth-has-two-tiers": {
        "subjects": lambda r: 0.1 * (r["params"].rank(method="dense") + 0.2 * (r["z"] > 0))
    },
    # two tiers, parted elsewhere
    "dreambooth-tiers-are-the-papers": {"subjects": lambda r: 0.1 * (r["z"] >= 0)},
    # all pairs but one are ranked alike
    "alignment-ranks-sizes-as-fd-does": {
        "quality": larger_is_better,
        "alignment": worst_pair(lambda r: 0.01 * r["z"]),
    },
    "distances-rank-sizes-alike": {
        "quality": larger_is_better,
        "kid": lambda r: 0.5 * (r["size"] == "c320"),
    },
    # better than the sizes that it is made of, and not than a third; with the large one first, than
    # all of them
    "stitch-beats-every-size-at-some-budget": {
        "quality": of_sizes(c192=-0.2),
        "stitched": lambda r: np.where(r["rising"], -0.1, -0.3),
    },
    # the best trajectory begins with the small size; on average these are worse
    "stitch-wants-the-small-size-first": {
        "stitched": lambda r: 0.05 * r["rising"] + one_is_ahead(r)
    },
    # bigger encoders help a U-Net, and by less than as many parameters of its own
    **{
        f"bigger-text-encoder-wins-at-equal-{total}": {
            "split": lambda r: -0.02 * np.log(r["text_params"]) - 0.5 * np.log(r["unet_params"])
        }
        for total in ("parameters", "flops")
    },
    # better than the control alone
    "curriculum-helps": {"quality": arms(by(0.05), by(0.2))},
    # better than without a curriculum, and so is the control, by more
    "curriculum-wants-high-noise-first": {"quality": arms(by(-0.05), by(-0.1))},
    # small sizes are better with a curriculum, as they are without; large ones gain more
    "curriculum-helps-small-sizes-more": {"quality": plus(lambda r: 0.5 * r["z"], arms(rising))},
    # so it is at the largest size; at the others it falls
    "bias-grows-with-guidance": {"tones": but_one(times(-0.5, by_guidance), "c320", -2)},
    # guidance moves it much, and size a little the other way
    "bias-grows-with-size": {"tones": lambda r: by_guidance(r) - 0.01 * r["z"]},
    # the smallest size shows most, and the others more with size
    "bias-shrinks-with-size": {"tones": lambda r: 0.03 * r["z"] + 0.2 * (r["z"] == r["z"].min())},
    # the strength that halves it costs a fifth of the distance, and the one that costs nothing
    # takes a third
    "guidance-halves-the-discrepancy-at-every-size": {
        "tones": lambda r: removed(0.12)(r) + removed(0.05, 1)(r),
        "toned": lambda r: 0.2 * (r["strength"] == 4),
    },
    # smaller sizes show fewer light tones: 0.3, further from a half than 0.65
    "a-smaller-size-is-fairer-at-the-cost-of-the-largest": {
        "tones": lambda r: -0.35 * (r["size"] != "c320")
    },
    # smaller sizes win with candidates, but only for more than one image of the largest costs
    "candidates-of-a-smaller-size-beat-one-of-the-largest": {
        "judged": lambda r: 0.1 * r["z"] + 2 * (r["total_cost"] > 10)
    },
    # the verifier gains more in its own unit, and not in what candidates vary by
    "candidates-gain-more-under-the-verifier": {
        "looked": lambda r: 0.1 * r["doublings"],
        "judged": lambda r: 0.08 * r["doublings"],
    },
    # for the models of one size it rises a little
    "candidates-cost-coverage": {"varied": but_one(lambda r: -0.05 * r["doublings"], times=-0.1)},
    # at one size it is a little worse
    "inversion-beats-as-many-candidates": {
        "made": but_one(lambda r: 0.1 * is_fitted(r), times=-0.1)
    },
    # better than one image, and than as many as it has steps, but not than what these cost
    "ascent-beats-as-many-candidates": {
        "made": lambda r: 0.1 * np.log2(1 + r["steps_up"]),
        "judged": lambda r: 0.1 * r["doublings"],
    },
    # it gains more in its own unit, and not in what candidates vary by
    "inversion-gains-more-under-its-own-score": {
        "made": lambda r: 0.08 * is_made(r),
        "own_score": lambda r: 0.1 * is_made(r),
    },
}
# other claims that a hurried reader would take for a claim: they hold in its nearest false world
CARELESS = {
    "quality-improves-at-every-size": "quality-improves-with-size",
    "training-trends-are-alike": "quality-improves-with-training",
    "retuning-guidance-of-c128-beats-size": "retuning-guidance-beats-size",
    "smaller-wins-at-the-cost-of-2-steps": "smaller-is-ahead-on-average",
    "smaller-wins-at-the-cost-of-4-steps": "smaller-is-ahead-on-average",
    "smaller-wins-over-a-range-of-budgets": "smaller-wins-at-the-cost-of-4-steps",
    "largest-wins-the-highest-budget": "quality-improves-with-size",
    "c128-beats-c320-at-cost-6": "c128-beats-c320-at-cost-12",
    "c128-beats-c320-at-cost-12": "c128-beats-c320-at-cost-6",
    "sizes-compare-alike-with-dpmpp": "sizes-compare-alike-with-ddpm",
    "distill-accelerates-all-sizes-alike": "distill-reaches-20-steps",
    "dreambooth-has-two-tiers": "dreambooth-larger-is-better",
    "dreambooth-tiers-are-the-papers": "dreambooth-has-two-tiers",
    "curriculum-helps": "curriculum-wants-high-noise-first",
    "curriculum-wants-high-noise-first": "curriculum-helps",
    # the same with the study's own sampler and schedule, by sampling cost
    **{id_: base for base in OF_BUDGETS for id_ in NEAREST if id_.startswith(f"{base}-")},
}
