"""What `make` says of a run: which jobs run, the time left, what failed, who holds the lock.

Snakemake loads this package into its own process: no torch, no pandas.
"""
