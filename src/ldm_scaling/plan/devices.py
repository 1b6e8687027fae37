"""Devices that a plan may name."""

from __future__ import annotations

BFLOAT16, TF32, FLOAT32 = "bfloat16", "TF32", "float32"
DEVICES = {
    "a100": {BFLOAT16: 312e12, TF32: 156e12, FLOAT32: 19.5e12},
    "h100": {BFLOAT16: 989e12, TF32: 494e12, FLOAT32: 67e12},
    "h200": {BFLOAT16: 989e12, TF32: 494e12, FLOAT32: 67e12},
    "l40s": {BFLOAT16: 362e12, TF32: 183e12, FLOAT32: 91.6e12},
    "rtx4090": {BFLOAT16: 165e12, TF32: 82.6e12, FLOAT32: 82.6e12},
    "v100": {FLOAT32: 15.7e12},
    "core": {FLOAT32: 96e9},
}
"""peak FLOP/s of dense matrix products, by what they are computed in; what a device lacks it
computes in float32. GPUs by their makers' data sheets; a processor's core with two fused
multiply-adds of 8 numbers a cycle (AVX2) at 3 GHz"""
