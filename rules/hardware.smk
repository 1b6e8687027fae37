"""What jobs ask of the machine, by model size and attempt: the one place to adapt it.

None of it is part of a spec, so a change reruns nothing. One run: --set-resources RULE:NAME=VALUE.
The table is chosen for GPUs of 80 GB and 64 x 64 latents, and not measured there.
"""

# up to channels: GPUs of one node, images that a GPU takes at a time, options of pretrain
TRAINING = {
    128: (1, 64, ""),
    224: (4, 32, ""),
    320: (8, 16, "--checkpointing"),
    512: (8, 16, "--checkpointing --sharded"),
    1024: (8, 8, "--checkpointing --sharded"),
}


def training_row(size):
    """The row of the table for a size."""
    fits = [limit for limit in TRAINING if channels(size) <= limit]
    return TRAINING[min(fits, default=max(TRAINING))]


def training_gpus(wildcards):
    """GPUs that train one model."""
    return training_row(wildcards.size)[0]


def micro_batch(wildcards):
    """Images that one GPU takes through the network at a time."""
    return training_row(wildcards.size)[1]


def training_threads(wildcards):
    """Threads: one on a small model, else a few for each GPU; more where they decode images."""
    gpus = training_gpus(wildcards)
    if not STUDY.latents.cache:
        return 8 * gpus
    return 1 if gpus == 1 else 4 * gpus


def sampling_threads(wildcards):
    """Threads: they resize images for the extractor."""
    gpus = sampling_gpus(wildcards)
    return 1 if gpus == 1 else 4 * gpus


def training_switches(wildcards):
    """Options of pretrain that change how it uses the machine."""
    return training_row(wildcards.size)[2]


def teaching_switches(wildcards):
    """The same of dreambooth, on one GPU: its batches are too small to share."""
    return training_switches(wildcards).replace("--sharded", "").strip()


def large_first(wildcards):
    """Priority: the longest jobs first, so that none is left alone at the end."""
    return channels(wildcards.size)


def parameters(size):
    """Parameters of a size, about, as the paper's family has them."""
    return 8500 * channels(size) ** 2


def training_memory(wildcards):
    """MB: each process builds the weights, the first one collects its state and what was kept.

    The same for every attempt, since most of them only continue after a walltime.
    """
    copies = training_gpus(wildcards) + 8 + len(STUDY.training.keep)
    return 4000 + 4 * copies * parameters(wildcards.size) // 10**6


def student_memory(wildcards):
    """MB: each process also has the teacher and the average that it learns from."""
    networks = 2 * training_gpus(wildcards) * parameters(wildcards.size)
    return training_memory(wildcards) + 4 * networks // 10**6


def sampling_gpus(wildcards):
    """GPUs that sample the cells of one model, each a part of them."""
    return training_gpus(wildcards)


def sampling_batch(wildcards):
    """Images that one GPU samples at a time."""
    return 128 if channels(wildcards.size) <= 128 else micro_batch(wildcards)


def sampling_memory(wildcards):
    """MB for the weights, and twice the features of all cells: 2048 of two bytes an image."""
    sampling = STUDY.sampling
    images = sampling.n * len(sampling.steps) * len(sampling.guidance)
    weights = 8 * sampling_gpus(wildcards) * parameters(wildcards.size)
    return 4000 + (weights + 8192 * images) // 10**6


def model_memory(wildcards):
    """MB for the weights of one model and the rest."""
    return 4000 + 8 * parameters(wildcards.size) // 10**6


def measure_threads(wildcards):
    """Threads for the kernel matrices of KID, which grow with the square of n."""
    return max(1, STUDY.sampling.n // 4000)


def measure_runtime(wildcards, attempt, threads):
    """Minutes: a cell of n = 30,000 takes a core about 10 for KID and 1 for FD-infinity."""
    cells = len(sampled(wildcards).possible)
    return attempt * round(60 + 11 * cells * (STUDY.sampling.n / 30000) ** 2 / threads)


def family_memory(wildcards, attempt):
    """MB for the weights of the largest size and the rest."""
    largest = max(STUDY.family.sizes, key=channels)
    return attempt * (4000 + 5 * parameters(largest) // 10**6)


def walltime(wildcards, attempt):
    """Minutes of one walltime slice; jobs continue in the next one."""
    return min(240 * attempt, 1440)
