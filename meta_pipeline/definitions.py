"""What `dagster` loads: the one Definitions object of meta_pipeline.

Run it with `meta-pipeline dev`, which sets everything up, or with Dagster's own commands once
DAGSTER_HOME, DAGSTER_PG_URL, DATABASE_URL and META_ACCESS_TOKEN are set:

    dagster dev                      # reads workspace.yaml
    dagster definitions validate     # needs none of them

The parts are in `meta_pipeline.orchestration`, one module for each concept:

    partitions        the ad account, the only dimension
    tables            which table is which asset, and what the graph says of it
    accounts_asset    discovers accounts
    account_assets    syncs accounts: entities, then insights
    report_asset      answers the operational questions, every day
    outcome           how the end of a sync is told: green, red, and why
    record_metadata   a sync's record as numbers Dagster plots
    resources         settings in, one engine for each run out
    jobs, schedules   what a person starts, what the clock starts
"""

from __future__ import annotations

from meta_pipeline.orchestration.build import build_defs

defs = build_defs()
