"""The figures and tables that every study has: what `all` makes and the plan counts."""

FIGURES = [
    "fid_vs_cost",
    "fid_vs_guided_cost",
    "fid_vs_seconds",
    "samplers_vs_cost",
    "guidance_sweep",
    "guidance_interaction",
    "train_compute",
    "model_family",
    "guidance_samples",
    "size_samples",
    "equal_cost_samples",
    "prompt_interpolation",
]
TABLES = ["cells", "best", "crossovers", "family", "floors", "fits", "fixed_setting", "claims"]
