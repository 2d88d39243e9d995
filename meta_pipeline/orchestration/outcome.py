"""How the syncs of one step ended, told so that the colour of a run means something.

Green: the data is in, or another sync is bringing it. Red: it is not in, and the message says for
which account, whose fault it is and what to do. So a throttled account is red though nothing is
broken: its partition must not look fresh. A sensor that asks the governor first starts none.

==========  ===============  =====================================================
status      event            the step
==========  ===============  =====================================================
success     materialization  goes on
partial     materialization  goes on; a warning names what is missing
refused     observation      goes on; the other sync brings the data
throttled   observation      fails at its end, after the other accounts
fail        observation      fails at its end, after the other accounts
==========  ===============  =====================================================

Of a partial sync, an entity table that was not read whole counts as failed. Extras may wait: a
throttled one is observed, and its step goes on. Whatever was not a plain success is in the run's
tags too, so that the run list can be filtered by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg

from meta_pipeline.printable import markdown
from meta_pipeline.redaction import redact
from meta_pipeline.sync import Part, Status, SyncRun

OUTCOME_TAG = "meta_pipeline/{status}"
"""Name of the run tags, such as `meta_pipeline/throttled: act_1,act_2`."""

# A tag is a filter of the run list, which shows it whole.
_TAG_ACCOUNTS = 5
_SYNC_AGAIN = (
    "To sync only these again: on the asset, *Materialize*, choose the failed partitions. What is "
    "already in is not read twice within the freshness window."
)


@dataclass
class StepOutcome:
    """What became of each account of a step, which asks for `parts`, in the order they ran.

    Of parts that `can_wait`, being throttled is no failure.
    """

    parts: frozenset[Part]
    records: dict[str, SyncRun] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    can_wait: bool = False

    def is_settled(self, record: SyncRun) -> bool:
        """Whether every asset of the step is in, may wait, or another sync is bringing it."""
        if record.status is Status.THROTTLED:
            return self.can_wait
        return record.status is Status.REFUSED or all(map(record.is_in, self.parts))

    def tags(self, name: str = OUTCOME_TAG) -> dict[str, str]:
        """Run tags for what a person should notice without opening the run."""
        accounts_of: dict[str, list[str]] = {}
        for account_id, record in self.records.items():
            if record.status is not Status.SUCCESS:
                accounts_of.setdefault(str(record.status), []).append(account_id)
        for account_id in self.errors:
            accounts_of.setdefault(str(Status.FAIL), []).append(account_id)
        return {
            name.format(status=status): _named(accounts) for status, accounts in accounts_of.items()
        }

    def failure(self) -> dg.Failure | None:
        """The failure to raise when an account's data is not in; None when all of it is."""
        reasons = self._reasons()
        if not reasons:
            return None
        total = len(self.records) + len(self.errors) + len(self.skipped)
        lines = "\n".join(f"- {markdown(reason)}" for reason in reasons.values())
        plain = "\n".join(f"- {reason}" for reason in reasons.values())
        of_many = f"{len(reasons)} of {total} accounts were not synced; the others were.\n{plain}"
        return dg.Failure(
            description=of_many if total > 1 else next(iter(reasons.values())),
            metadata={
                "accounts_failed": dg.MetadataValue.int(len(reasons)),
                "accounts": dg.MetadataValue.int(total),
                "what_to_do": dg.MetadataValue.md(f"{lines}\n\n{_SYNC_AGAIN}"),
            },
            # An unexpected error may pass; what Meta or the account said will not within minutes.
            allow_retries=bool(self.errors),
        )

    def _reasons(self) -> dict[str, str]:
        reasons = {
            account_id: sentence(record)
            for account_id, record in self.records.items()
            if not self.is_settled(record)
        }
        broken = {
            account_id: redact(f"{account_id}: {type(error).__name__}: {error}")
            for account_id, error in self.errors.items()
        }
        return reasons | broken | self.skipped


def failure_of(outcomes: Mapping[str, StepOutcome]) -> dg.Failure | None:
    """One failure of several outcomes, each under its name; None when there is none."""
    failures = {name: why for name, each in outcomes.items() if (why := each.failure()) is not None}
    if not failures:
        return None
    advice = [str(why.metadata["what_to_do"].value) for why in failures.values()]
    return dg.Failure(
        description="\n".join(f"{name}: {why.description}" for name, why in failures.items()),
        metadata={"what_to_do": dg.MetadataValue.md("\n\n".join(dict.fromkeys(advice)))},
        allow_retries=any(why.allow_retries for why in failures.values()),
    )


def sentence(record: SyncRun) -> str:
    """What happened to the account, whose doing it was and what comes next."""
    why = f" {record.error_summary}" if record.error_summary else ""
    match record.status:
        case Status.THROTTLED:
            until = f" until {record.not_before:%H:%M} UTC" if record.not_before else ""
            return (
                f"{record.account_id} is throttled{until}: its numbers are as old as before. "
                f"Nothing is broken and nothing needs doing; a later sync goes on from here.{why}"
            )
        case Status.REFUSED:
            return f"{record.account_id} was left to the sync that is already running.{why}"
        case Status.PARTIAL:
            missing = ", ".join(map(str, record.missing)) or "see the summary"
            return f"{record.account_id} is partly synced; missing: {missing}.{why}"
        case Status.FAIL:
            return f"{record.account_id} was not synced.{why}"
        case _:
            return f"{record.account_id}: {record.status}.{why}"


def _named(accounts: list[str]) -> str:
    shown = ",".join(accounts[:_TAG_ACCOUNTS])
    more = len(accounts) - _TAG_ACCOUNTS
    return f"{shown} and {more} more" if more > 0 else shown
