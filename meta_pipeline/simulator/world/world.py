"""The world behind the simulated Graph API: what there is, and the edits of an advertiser."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from meta_pipeline.simulator.world import activities
from meta_pipeline.simulator.world.accounts import DEFAULT_ACCOUNTS, AccountSpec
from meta_pipeline.simulator.world.clock import Clock
from meta_pipeline.simulator.world.data_gaps import LostConversions, SpoiledDay
from meta_pipeline.simulator.world.edits import EditRefusedError
from meta_pipeline.simulator.world.entities import Entity
from meta_pipeline.simulator.world.memo import Memo
from meta_pipeline.simulator.world.objects import Objects
from meta_pipeline.simulator.world.statuses import ACTIVE, ARCHIVED, CLEAR, DELETED, STATUSES
from meta_pipeline.simulator.world.tree import AD, ADSET, CAMPAIGN, IMAGE


class World(Objects):
    """Deterministic accounts from a seed; the same seed and anchor give the same world.

    `anchor` is the day the generated past ends (default: the first of the clock's month, so
    that a restart within a month finds the same past). `processing_seconds` keeps an edited
    thing IN_PROCESS for that long (FACTS §8; 0 is off). `hard_retention` makes breakdowns
    beyond their retention an error instead of silently empty (FACTS §5.4). `hourly_zero_rows`
    adds to hourly rows one without impressions and without the breakdown's key (FACTS §5.2).
    `version` counts edits: a cache keyed by it never serves an old world.
    """

    def __init__(
        self,
        *,
        seed: int,
        clock: Clock,
        accounts: Sequence[AccountSpec] = DEFAULT_ACCOUNTS,
        anchor: date | None = None,
        processing_seconds: int = 0,
        hard_retention: bool = False,
        hourly_zero_rows: bool = False,
    ) -> None:
        super().__init__(
            seed=seed,
            clock=clock,
            accounts=accounts,
            anchor=anchor,
            processing_seconds=processing_seconds,
        )
        self.hard_retention, self.hourly_zero_rows = hard_retention, hourly_zero_rows
        self.version = 0
        # What is dear to work out twice, for whoever reads the world; keyed by `version`.
        self.memo, self.answers = Memo(64), Memo(8)
        self.bad_creatives: set[str] = set()
        self.without_terms: set[str] = set()
        """Accounts for which nobody accepted the custom audience terms."""
        self.spoiled_days: list[SpoiledDay] = []
        self.lost_conversions: list[LostConversions] = []
        self._lock = threading.RLock()

    # -- what an advertiser does: moves what Meta moves (FACTS §8), writes the change log -------

    def rename(self, object_id: str, name: str) -> None:
        """Change a name; allowed on archived and deleted things too."""
        with self._lock:
            position = self._editable(object_id)
            old = self.entity(*position).values.get("name")
            self.overlay.put(object_id, {"name": name})
            change = {"old_value": old, "new_value": name, "type": "name"}
            self._record(position, (activities.RENAMED[position[1]], change))

    def pause(self, object_id: str) -> None:
        """Switch off; children show it in effective_status, their updated_time stays."""
        self._set_status(object_id, "PAUSED")

    def activate(self, object_id: str) -> None:
        """Switch on again."""
        self._set_status(object_id, "ACTIVE")

    def archive(self, object_id: str) -> None:
        """One way: only a new name or deletion may follow."""
        self._set_status(object_id, "ARCHIVED")

    def delete(self, object_id: str) -> None:
        """One way; readable by id afterwards. A second deletion changes nothing."""
        self._set_status(object_id, "DELETED")

    def set_budget(
        self, object_id: str, *, daily_minor: int | None = None, lifetime_minor: int | None = None
    ) -> None:
        """Change a budget in minor units; `updated_time` does not move (FACTS §8)."""
        with self._lock:
            position = ordinal, level, index = self._editable(object_id)
            _refuse_dead(object_id, self.trees[ordinal].levels[level].status[index])
            if level == AD:
                raise ValueError("an ad has no budget: set it on its ad set or campaign")
            given = {"daily_budget": daily_minor, "lifetime_budget": lifetime_minor}
            new = {key: str(value) for key, value in given.items() if value is not None}
            values = self.entity(*position).values
            old = {key: values.get(key) for key in new}
            self.overlay.put(object_id, new)
            change = {"type": "budget", "old_value": old, "new_value": new}
            self._record(position, (activities.BUDGETED[level], change), updates=False)

    def add_campaign(self, account_id: str, **fields: Any) -> Entity:
        """Create a campaign now; `fields` override what the seed would have drawn."""
        return self._add(CAMPAIGN, account_id, fields)

    def add_adset(self, campaign_id: str, **fields: Any) -> Entity:
        """Create an ad set now in `campaign_id`."""
        return self._add(ADSET, campaign_id, fields)

    def add_ad(self, adset_id: str, **fields: Any) -> Entity:
        """Create an ad (and its creative) now in `adset_id`."""
        return self._add(AD, adset_id, fields)

    # -- what nobody does, and happens: no change log -------------------------------------------

    def patch(self, object_id: str, **fields: Any) -> None:
        """Put raw values over an object, whatever their type; `ABSENT` removes a key."""
        if self.locate(object_id) is None:
            raise KeyError(f"no object {object_id} in this world")
        with self._changed():
            self.overlay.put(object_id, fields)

    def vanish(self, object_id: str) -> None:
        """Take an object, or an account with all it holds, out of every edge and out of reach.

        By id it is 100/33 from now on.
        """
        with self._changed():
            gone = self._editable(object_id, least=-1, most=IMAGE)
            self.overlay.gone = self.overlay.gone | {gone}

    def take_back(
        self, ad_id: str, since: date | str, until: date | str, keep: float = 0.0
    ) -> None:
        """Meta restates an ad's days downwards: `keep` of the delivery is left, at all levels.

        With nothing left the rows are gone; with little, cells and hours of them.
        """
        if not 0 <= keep <= 1:
            raise ValueError(f"keep is a share from 0 to 1, not {keep}")
        ad, overlay = self._ad(ad_id), self.overlay
        with self._changed():
            shares = {**overlay.kept.get(ad, {}), **dict.fromkeys(_days(since, until), keep)}
            overlay.kept = {**overlay.kept, ad: shares}

    def withhold(self, ad_id: str, since: date | str, until: date | str) -> None:
        """An ad's rows of these days are missing, while the account's own total stands."""
        ad, overlay = self._ad(ad_id), self.overlay
        with self._changed():
            days = overlay.withheld.get(ad, frozenset()) | frozenset(_days(since, until))
            overlay.withheld = {**overlay.withheld, ad: days}

    def give_back(self, ad_id: str) -> None:
        """Undo `take_back` and `withhold`."""
        ad, overlay = self._ad(ad_id), self.overlay
        with self._changed():
            overlay.kept = {one: days for one, days in overlay.kept.items() if one != ad}
            overlay.withheld = {one: days for one, days in overlay.withheld.items() if one != ad}

    def tire(self, ad_id: str, since: date | str, a_day: float = 0.05) -> None:
        """People have seen an ad enough: from a day on its click rate falls by a share each day."""
        if not 0 < a_day < 1:
            raise ValueError(f"a_day is a share between 0 and 1, not {a_day}")
        ad, overlay = self._ad(ad_id), self.overlay
        with self._changed():
            overlay.tired = {**overlay.tired, ad: (_date(since).toordinal(), a_day)}

    def break_pixel(self, account_id: str, since: date | str, until: date | str) -> None:
        """No conversion of these days reaches Meta, at any level; what is clicked is counted."""
        ordinal = self.ordinal(account_id)
        if ordinal is None:
            raise KeyError(f"no account {account_id} in this world")
        with self._changed():
            self.overlay.deaf = {**self.overlay.deaf, ordinal: _days(since, until)}

    def spoil_creative(self, creative_id: str) -> None:
        """Make reading this creative's `object_story_spec` fail its whole page (FACTS §4.6)."""
        with self._changed():
            self.bad_creatives.add(creative_id)

    def spoil_day(self, ad_id: str, day: date | str, **how: Any) -> None:
        """Make everything unanswerable that holds this ad's day: `field`, `refusal`, `report`."""
        if self.get(ad_id) is None:
            raise KeyError(f"no ad {ad_id} in this world")
        spoiled = SpoiledDay(ad_id, _date(day), **how)
        with self._changed():
            self.spoiled_days.append(spoiled)

    def mend_days(self, ad_id: str) -> None:
        """Let all days of this ad be answered again."""
        with self._changed():
            self.spoiled_days = [one for one in self.spoiled_days if one.ad_id != ad_id]

    def lose_conversions(
        self, account_id: str, since: date | str, until: date | str, words: str = "purchase"
    ) -> None:
        """Leave actions whose type holds `words` out of all rows but the account's own.

        Of daily rows from `since` to `until`; at Meta such days were reported long after they were
        over. `find_conversions(account_id)` ends it.
        """
        lost = LostConversions(account_id, _date(since), _date(until), words)
        self.spec(account_id)
        with self._changed():
            self.lost_conversions.append(lost)

    def find_conversions(self, account_id: str) -> None:
        """Let this account's rows have all their actions again."""
        with self._changed():
            self.lost_conversions = [
                one for one in self.lost_conversions if one.account_id != account_id
            ]

    # -- how an edit is made --------------------------------------------------------------------

    @contextmanager
    def _changed(self) -> Iterator[None]:
        with self._lock:
            yield
            self.version += 1

    def _set_status(self, object_id: str, status: str) -> None:
        with self._lock:
            position = ordinal, level, index = self._editable(object_id)
            tree, new = self.trees[ordinal], STATUSES.index(status)
            own = tree.levels[level]
            old = own.status[index]
            if old == new:
                return
            if (old, new) != (ARCHIVED, DELETED):
                _refuse_dead(object_id, old)
            own.status[index] = new
            if new == ACTIVE:
                # Switching on asks for a review, and in this world every review is passed.
                own.review[index] = CLEAR
            tree.toggles.setdefault((level, index), []).append((self.now(), new == ACTIVE))
            self._record(position, activities.run_status(level, STATUSES[old], status))

    def _add(self, level: int, parent_id: str, fields: Mapping[str, Any]) -> Entity:
        with self._lock:
            ordinal, parent_level, parent = self._editable(parent_id, least=-1)
            if parent_level != level - 1:
                raise ValueError(
                    f"{parent_id} cannot hold that: it goes one level below its parent"
                )
            status, now = STATUSES.index(fields.get("status", "ACTIVE")), self.now()
            index = self.trees[ordinal].add(level, max(parent, 0), status, now)
            self._record((ordinal, level, index), activities.created(level), updates=False)
            self.overlay.edited_at[ordinal, level, index] = now
            made = self.entity(ordinal, level, index)
            if fields:
                self.overlay.put(made.id, fields)
                made = self.entity(ordinal, level, index)
            return made

    def _ad(self, ad_id: str) -> tuple[int, int]:
        ordinal, level, index = self._editable(ad_id)
        if level != AD:
            raise ValueError(f"{ad_id} is no ad: delivery is an ad's")
        return ordinal, index

    def _editable(
        self, object_id: str, least: int = CAMPAIGN, most: int = AD
    ) -> tuple[int, int, int]:
        """Its position, from level `least` to `most`; KeyError for anything else."""
        position = self.locate(object_id)
        if position is None or not least <= position[1] <= most:
            raise KeyError(f"no such object to edit in this world: {object_id}")
        return position

    def _record(
        self, position: tuple[int, int, int], event: activities.Event, *, updates: bool = True
    ) -> None:
        """Write the change log; `updates` moves the object's updated_time."""
        ordinal, level, index = position
        now = self.now()
        if updates:
            own = self.trees[ordinal].levels[level]
            own.updated[index] = max(now, own.updated[index])
            self.overlay.edited_at[position] = now
        self.overlay.log.setdefault(ordinal, []).append((now, level, index, event))
        self.version += 1


def _refuse_dead(object_id: str, status: int) -> None:
    if status == ARCHIVED:
        raise EditRefusedError(f"{object_id} is archived: rename or delete it", subcode=1487566)
    if status == DELETED:
        raise EditRefusedError(f"{object_id} is deleted: only its name may change", subcode=1487056)


def _days(since: date | str, until: date | str) -> range:
    return range(_date(since).toordinal(), _date(until).toordinal() + 1)


def _date(day: date | str) -> date:
    return date.fromisoformat(day) if isinstance(day, str) else day
