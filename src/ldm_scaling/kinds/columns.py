"""Columns of the tables: what each one means, with its unit; docs/results.md is made of them.

A name means the same in every table. Where one table has to say more, the key is TABLE.NAME. A name
such as gain_lo, without a line of its own, means what `lo` means. No job imports this.
"""

from __future__ import annotations

COLUMNS = {
    "stage": "how the model was trained",
    "size": "the model's size",
    "seed": "training seed",
    "sampler": "sampler of the cells",
    "steps": "denoising steps",
    "guidance": "classifier-free guidance scale; 1 is off",
    "trained": "share of the training that the model has seen; below 1 for a kept checkpoint",
    "metric": "[its name](#metrics)",
    "value": "the metric",
    "lo": "lower end of the interval",
    "hi": "upper end of the interval",
    "n": "images of a cell",
    "nfe": "network evaluations of one image: the steps, with guidance twice the steps; sampler"
    " `native` may evaluate more often",
    "params": "parameters of the U-Net",
    "gflops": "10⁹ FLOP of a forward pass of the U-Net for one image; a multiply-add is 2 FLOPs",
    "normalized_cost": "`gflops` divided by those of the reference size",
    "sampling_cost": "`normalized_cost` times `steps`: passes of the reference, the paper's cost",
    "guided_cost": "`normalized_cost` times `nfe`, in the same unit",
    "total_cost": "all arithmetic of an image, in the same unit: U-Net, decoder, text encoder",
    "seconds": "seconds of one image, sampled and decoded beside the machine's other jobs",
    "grid": "whether the cell belongs to the guidance grid",
    "status": "`ok`; else `value` is empty: `diverged`, samples were not finite;"
    " `out_of_memory`, not one image fits the GPU; `levels_unseen`, a curriculum had not yet"
    " reached all noise levels",
    "at_boundary": "guidance is an end of the configured scales, and a scale beyond is possible",
    "memory_gb": "peak of GPU memory while sampling, in 10⁹ bytes, with the networks that measure"
    " images; this column and `batch` are there only if a cell was sampled on a GPU",
    "batch": "most images that were sampled at a time on the GPU",
    # best.csv
    "optimism": "what `value` would rise by on other images, on average; see below",
    # crossovers.csv
    "axis": "`sampling_cost`, `guided_cost`, `total_cost` or `seconds`",
    "small": "the size with fewer parameters",
    "large": "the size with more parameters",
    "cost": "where the larger size overtakes the smaller one for good; empty if it does not",
    "range_lo": "lowest cost that both sizes cover; a `lo` of this value is no bound",
    "range_hi": "highest cost that both sizes cover; a `hi` of this value is no bound",
    "crossovers.status": "`crosses`, or why there is no `cost`: see below",
    # frontier.csv, envelope.csv, levers.csv
    "cell": "number of the configuration, the same for all metrics",
    "schedule": "where the sampler's steps lie",
    "until": "cost from which another configuration is the best; empty if there is none",
    "luck": "what `value` would change by on other images, on average, as it was chosen on these",
    "tied": "numbers of other configurations within the cost that are not told apart from it, the"
    " best first",
    "lever": "what kind of setting is left out",
    "without": "the setting that is left out",
    "levers.gain": "log(the best value within a cost without the setting / with it), of a score the"
    " reverse, mean along the logarithm of the cost; above 0 the setting helps",
    "unit": "`log ratio`; `difference` of a metric that has values of 0 or below",
    "levers.range_lo": "the lowest cost at which there is something without the setting",
    "levers.range_hi": "the highest cost",
    "envelope.cost": "cost from which the configuration is the best",
    # family.csv
    "channels": "base channels of the size",
    "text_gflops": "part of a forward pass that computes keys and values of the text",
    "decoder_gflops": "decoding an image",
    "caption_gflops": "encoding a caption",
    "published_params": "what the paper's Table 1 prints of the size",
    "published_gflops": "what the paper's Table 1 prints of the size",
    "published_normalized_cost": "what the paper's Table 1 prints of the size",
    "published_note": "which of these numbers is a slip of the paper",
    "weights_gb": "of an adopted model: weights in its dtype, in 10⁹ bytes, with the text encoders;"
    " tables of trained models have neither this column nor `told`",
    "told": "of an adopted model: whether the guidance scale is an input of the network, so that an"
    " image takes one caption and no doubled evaluations",
    # leakage.csv
    "leakage.split": "the held-out split",
    "leakage.images": "of the split",
    "twins": "images with a root mean squared difference below 20 of 255 from a training image",
    "leakage": "their share",
    # floors.csv, superres_baselines.csv, retrieval.csv
    "floors.kind": "`real` (validation against test images) or `reconstruction` (of test images)",
    "superres_baselines.kind": "`bicubic` (enlarged images) or `reconstruction` (of originals)",
    "retrieval.kind": "`held-out`: all images; for emoji also one row for each style",
    "retrieval.candidates": "captions to choose from: one for each concept, in the image's own"
    " style",
    "recall_at_1": "share of images whose own caption is the nearest",
    "recall_at_10": "share of images whose own caption is among the ten nearest",
    "matched": "mean cosine with the own caption",
    "shuffled": "mean cosine with other captions",
    # fits.csv, fixed_setting.csv
    "fits.metric": "what is fitted",
    "fits.size": "a size at its checkpoints, or `envelope`: checkpoints that no cheaper one beats",
    "floor": "what is subtracted from the values: 0, and that of real images",
    "exponent": "of the power law",
    "coefficient": "of the power law",
    "points": "checkpoints of the fit; two always lie on a curve",
    "r2": "R² of the logarithms",
    "fits.status": "`ok`, or why there is no fit",
    "published": "the value in the paper's Table 1, if family and metric are the paper's",
    # acceleration.csv
    "acceleration.steps": "of the student",
    "acceleration.guidance": "the scale that the student is told",
    "acceleration.value": "the student's metric",
    "undistilled": "the undistilled model's metric with the same number of steps",
    "gain": "log(undistilled value / student's value), of a score the reverse; above 0 the student"
    " is better",
    "acceleration": "undistilled steps needed to match the student, divided by its steps",
    "acceleration.status": "`ok`, `beyond the grid`, `below the grid` or `failed`: see below",
    # metric_ranking.csv, metric_agreement.csv
    "budget": "the sampling cost that a size may use",
    "rank": "1 is the best",
    "metric_ranking.status": "`ok`, or `diverged`: no cell that the budget buys has a value",
    "other": "the metric that `metric` is compared with",
    "tau": "Kendall's tau: 1 if all pairs of sizes have the same order, -1 if the opposite one",
    "metric_agreement.sizes": "how many sizes both metrics rank",
    "agreeing": "pairs of sizes that both metrics' intervals put in the same order. Intervals are"
    " widened for the pairs of both metrics, here and for `contradicting`",
    "contradicting": "pairs of sizes that both metrics' intervals put in opposite orders",
    "metric_agreement.status": "`ok` or `fewer than two sizes`",
    # search_cost.csv
    "search_cost.metric": "the metric that chooses",
    "images": "images that the search samples",
    "grid_images": "images that the whole grid samples",
    "search_cost.guidance": "the scale that the search chooses",
    "search_cost.value": "the metric of n images there",
    "grid_guidance": "the grid's best scale",
    "grid_value": "the grid's best value",
    "regret": "`value` minus `grid_value`, of a score the reverse; its interval is from common"
    " resamples",
    "success": "whether the interval of the regret contains 0",
    "search_cost.status": "`ok`, or `failed`: all cells diverged",
    # stitch.csv
    "sizes": "sizes in the order in which they denoise, such as `c20-c48`",
    "allocation": "steps of each size, such as `2-6`",
    "share": "share of the first size, after rounding",
    "best": "whether `guidance` is what the selecting metric chooses",
    # bias.csv, tone_judge.csv
    "training_share": "share of light tones among light and dark ones in training",
    "reference": "the wanted share",
    "arm": "what was done against the bias: `plain` nothing, `guided` distribution guidance,"
    " `best_of_two` two images of a prompt; a quota keeps one, `balanced_training` a"
    " model that was trained with the wanted share",
    "strength": "of distribution guidance",
    "bias.sampling_cost": "`normalized_cost` times `steps`, of `best_of_two` twice that",
    "bias.total_cost": "all arithmetic of an image that is kept, in the same unit: U-Net, of"
    " `best_of_two` for both images, decoder, text encoder",
    "tone": "the class of the drawings: `light` (tones 1 and 2), `dark` (4 and 5) or `other`"
    " (yellow and tone 3)",
    "judged": "the class that they are judged to be of",
    "tone_judge.value": "share of the drawings",
    "tone_judge.images": "drawings of the class, of concepts that no training image shows",
    "concepts": "these concepts",
    # candidates.csv
    "method": "how candidates are made: `best_of`, `zero_order` or `resample`; empty where each"
    " image is kept",
    "candidates": "images that are sampled for each one that is kept",
    "verified": "images that were decoded and scored for each one that is kept",
    "spread": "of a score: standard deviation between candidates of the same image",
    "candidates.nfe": "network evaluations of all candidates of an image",
    "inversion.sampling_cost": "`normalized_cost` times `nfe`",
    "candidates.sampling_cost": "`normalized_cost` times `steps` times `candidates`",
    "candidates.total_cost": "all arithmetic of an image that is kept: U-Net and decoder for each"
    " candidate, each look of the verifier, the text encoder once",
    "candidates.seconds": "seconds of all candidates of an image: sampled, decoded and scored",
    # inversion.csv
    "noise": "where the initial noise comes from: `none` (unit noise), `global` or `caption` (a"
    " fitted distribution), or `ascent` and its gradient steps, such as `ascent10`",
    "inversion.nfe": "passes of the student for an image; a backward pass counts as one",
    "fit_cost": "all arithmetic of fitting the distribution, once, in passes of the reference",
    # superres.csv, dreambooth.csv
    "model": "`superres`, `superres_scratch`, or a `kind` of superres_baselines.csv",
    "subject": "`all`, or the subject's number",
    "name": "the subject's name",
    "class": "the subject's class",
    # components.csv
    "component": "`text_encoder`, `autoencoder` or `unet`, which is whatever denoises",
    "components.params": "parameters of the component; of the autoencoder both halves",
    "bytes": "bytes of the parameters in float32",
    "components.gflops": "10⁹ FLOP of an image: its captions, the U-Net at all steps, the decoder",
    "components.seconds": "median of `latency.repeats` calls, one image at a time",
    "components.share": "share of the size's total",
    "device": "where it was timed",
    # param_budget.csv, param_budget_splits.csv
    "encoder": "the text encoder",
    "text_params": "parameters of the text encoder",
    "autoencoder_params": "parameters of the autoencoder",
    "unet_params": "parameters of the U-Net",
    "param_budget.params": "parameters in all",
    "image_caption_gflops": "10⁹ FLOP of the text encoder for an image",
    "image_unet_gflops": "10⁹ FLOP of the U-Net for an image; guided if any scale is above 1",
    "param_budget.gflops": "10⁹ FLOP of an image in all",
    "seeds": "training seeds that the value is a mean over",
    "param_budget.guidance": "the pair's best scale",
    "param_budget.at_boundary": "the best scale is an end of `param_budget.guidance`",
    "param_budget_splits.axis": "`params` or `gflops`",
    "total": "the total on this axis",
    "text_share": "the text encoder's share of the total",
    "unet": "parameters or GFLOPs that the total leaves to the U-Net",
    "param_budget_splits.value": "the metric, interpolated between trained U-Nets",
    "standing": "`best`; `tied`: the difference from the best has an interval with 0; `behind`",
    # noise_bands.csv
    "noise_bands.images": "images seen until then",
    "band": "number of the band of noise levels, the least noisy first; all have equally many",
    "first_level": "the least noisy timestep of the band",
    "last_level": "the noisiest timestep of the band",
    "noise_bands.value": "mean squared error of the prediction on held-out images, with captions",
    "noise_bands.n": "held-out images",
    "to_come": "log(`value` / that at the end of the training): what the band still gains",
    # claims.csv
    "id": "the claim",
    "topic": "its section in claims.md",
    "source": "of the sentence: the paper, a summary article about it, or this project",
    "sentence": "the claim in our words",
    "statistic": "what is computed, in words; it is positive where the claim holds",
    "estimate": "value of the statistic",
    "p": "two-sided p-value of the statistic against 0, by a normal approximation of its"
    " interval, or Student's with several seeds or subjects",
    "claims.n": "images of a cell; empty if the claim is not about images",
    "verdict": "`holds`, `does not hold`, `undecided` or `not run`; `for this training`, `given a"
    " training deviation` or `for these models` may follow the first two",
    "reason": "why it was not run",
    "note": "what to mind, such as another sampler than the figure's",
    "figure": "the figure that shows it, or `cells.csv`",
    "claims.cells": "stages and samplers whose cells it takes, such as `distill/lcm pretrain/ddim`",
    # latency.csv
    "latency.batch": "images of a forward pass",
    "seconds_per_forward": "median of `latency.repeats` passes after a warm-up",
    "latency.lo": "shortest pass",
    "latency.hi": "longest pass",
    "seconds_per_image": "the median divided by the batch",
    "latency.memory_gb": "peak of GPU memory in 10⁹ bytes; empty on a CPU",
    "latency.status": "`ok`, `out of memory`, or `unknown architecture` of a model that is neither"
    " downloaded nor known",
    "dtype": "number format of weights and activations",
    "threads": "threads of torch",
    "torch": "torch's version",
}
