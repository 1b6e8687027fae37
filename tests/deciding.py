"""What claims say of a world, and worlds that lack cells."""

import numpy as np

from ldm_scaling.claims.evidence import Evidence
from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.statement import NOT_RUN, find
from ldm_scaling.tables.values import Values

BY_ID = {claim.id: claim for claim in CLAIMS}


def verdict(id_, evidence):
    """The verdict, of one training or of several."""
    return find(BY_ID[id_], evidence).verdict.removesuffix(" for this training")


def reason(id_, evidence):
    """Why a claim is not run, or None if it is."""
    found = find(BY_ID[id_], evidence)
    return found.reason if found.verdict == NOT_RUN else None


def without(evidence, mask):
    """The evidence without the cells for which `mask` of the rows is true."""
    kept = {key: values.where(~mask(values.rows)) for key, values in evidence.cells.items()}
    kept = {key: values for key, values in kept.items() if len(values.rows)}
    return Evidence(evidence.spec, evidence.family, kept)


def with_failed(evidence, mask):
    """The evidence with failed cells where `mask` of the rows is true."""
    cells_ = {}
    for key, values in evidence.cells.items():
        draws = np.where(mask(values.rows).to_numpy()[:, None], np.nan, values.draws)
        cells_[key] = Values(values.rows, draws)
    return Evidence(evidence.spec, evidence.family, cells_, floors=evidence.floors)
