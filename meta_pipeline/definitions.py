"""What `dagster` loads: the one Definitions object of meta_pipeline.

Run it with `meta-pipeline dev`, which sets everything up, or with Dagster's own commands once
DAGSTER_HOME, DAGSTER_PG_URL, DATABASE_URL and META_ACCESS_TOKEN are set:

    dagster dev                      # reads workspace.yaml; has no doorkeeper before it
    dagster definitions validate     # needs none of them

All that Dagster shows is in `meta_pipeline.orchestration.defs`: a module that is added there is
loaded, no list names it. Beside it, one module for each concept:

    partitions           the ad account, the only dimension
    batches              how a run takes many accounts, and what that is worth
    tables               which table is which asset, and what the graph says of it
    configuration        what the launchpad asks
    resources            settings in, one engine for each run out
    outcome              how the end of a sync is told: green, red, and why
    record_metadata      a sync's record as numbers Dagster plots
    dagster_internals    all that rests on Dagster's private parts, of one version
"""

from __future__ import annotations

from meta_pipeline.orchestration.build import build_defs

defs = build_defs()
