"""What jobs ask of the machine, by model size and attempt: the one place to adapt it.

None of it is part of a spec, so a change reruns nothing. One run: --set-resources RULE:NAME=VALUE.
The table is chosen for GPUs of 80 GB and 64 x 64 latents, and not measured there. --compiled, for
torch.compile, is in no row: what it gains is not measured either.
"""

# up to channels: GPUs of one node, images that a GPU takes at a time, options of pretrain
TRAINING = {
    128: (1, 64, ""),
    288: (4, 32, ""),
    320: (8, 32, ""),
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
    """Threads of a training: one, or those that read and decode images for each GPU."""
    return 1 if STUDY.latents.cache else 8 * training_gpus(wildcards)


def training_switches(wildcards):
    """Options of pretrain that change how it uses the machine."""
    return training_row(wildcards.size)[2]


def large_first(wildcards):
    """Priority: the longest jobs first, so that none is left alone at the end."""
    return channels(wildcards.size)


def parameters(size):
    """Parameters of a size, about, as the paper's family has them."""
    return 8500 * channels(size) ** 2


def grown(megabytes, attempt):
    """Memory of an attempt: most attempts only continue after a walltime, so it stops growing."""
    return min(attempt, 3) * megabytes


def training_memory(wildcards, attempt):
    """MB: each process builds the weights, the first one collects its state and what was kept."""
    copies = training_gpus(wildcards) + 8
    megabytes = 4000 + 4 * copies * parameters(wildcards.size) // 10**6
    return grown(megabytes, attempt)


def sampling_gpus(wildcards):
    """GPUs that sample the cells of one model, each a part of them."""
    return training_gpus(wildcards)


def sampling_memory(wildcards, attempt):
    """MB for the weights, and twice the features of all cells: 2048 of two bytes an image."""
    sampling = STUDY.sampling
    images = sampling.n * len(sampling.steps) * len(sampling.guidance)
    data = 8 * parameters(wildcards.size) + 8192 * images
    return grown(4000 + data // 10**6, attempt)


def measure_threads(wildcards):
    """Threads for the kernel matrices of KID, which grow with the square of n."""
    return max(1, STUDY.sampling.n // 4000)


def measure_runtime(wildcards, attempt, threads):
    """Minutes: a cell of n = 30,000 takes a core about 10 for the kernel matrices of KID."""
    cells = len(SPECS.sweep(wildcards.sampler).cells)
    return attempt * round(60 + 10 * cells * (STUDY.sampling.n / 30000) ** 2 / threads)


def family_memory(wildcards, attempt):
    """MB for the weights of the largest size and the rest."""
    largest = max(STUDY.family.sizes, key=channels)
    return grown(4000 + 5 * parameters(largest) // 10**6, attempt)


def walltime(wildcards, attempt):
    """Minutes of one walltime slice; jobs continue in the next one."""
    return min(240 * attempt, 1440)
