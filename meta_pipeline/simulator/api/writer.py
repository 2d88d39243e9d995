"""The few writes a sync or a test needs: report runs, status, name, budget, deletion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meta_pipeline.simulator.api import errors
from meta_pipeline.simulator.api.calls import Call
from meta_pipeline.simulator.api.login import refusals
from meta_pipeline.simulator.api.reader import GraphReader
from meta_pipeline.simulator.api.state import State
from meta_pipeline.simulator.api.tokens import LONG_LIVED_SECONDS
from meta_pipeline.simulator.world import EditRefusedError

_WRITABLE = frozenset({"name", "status", "daily_budget", "lifetime_budget"})
# Of the call itself, not of the object.
_ENVELOPE = frozenset({"access_token", "appsecret_proof", "fields", "method"})


class Writer:
    """Changes the state on behalf of one POST or DELETE."""

    def __init__(self, state: State, reader: GraphReader) -> None:
        self.state, self.reader = state, reader

    def write(self, call: Call) -> dict[str, Any]:
        """The document of a POST or DELETE on the call's target."""
        if call.request.method == "POST" and call.target.is_insights:
            return self._create_report(call)
        if call.target.edge == "permissions":
            # DELETE on a user's permissions: one of them, or all, which removes the app.
            permission, tokens, app_id = call.target.subject, self.state.tokens, call.token.app_id
            if permission is None:
                tokens.revoke_all(call.target.node_id, app_id)
            else:
                tokens.withdraw(call.target.node_id, str(permission), app_id)
            return {"success": True}
        if call.target.edge == "access_tokens":
            self.state.tokens.revoke_all(call.target.node_id, call.token.app_id)
            return {"success": True}
        if call.target.edge == "system_user_access_tokens":
            return self._business_token(call)
        return self._edit(call)

    def _create_report(self, call: Call) -> dict[str, Any]:
        """Start an async run; wrong parameters are refused here, as at Meta."""
        insights = self.reader.insights
        query, account_id = insights.query(call), call.target.account_id or ""
        run = self.state.reports.create(
            call.request,
            account_id=account_id,
            rows=insights.reserve(query, account_id),
            ranges=tuple((since.isoformat(), until.isoformat()) for since, until in query.ranges),
            plan=insights.plan(query),
        )
        return {"report_run_id": run.id}

    def _business_token(self, call: Call) -> dict[str, Any]:
        """A further token of a business integration, for fewer scopes or accounts, or the same."""
        request, own, business_id = call.request, call.token, call.target.node_id
        if own.client_business_id != business_id:
            raise refusals.no_part_in_business(business_id)
        if request.text("appsecret_proof") is None:
            raise errors.missing_proof()
        if (request.text("fetch_only") or "").lower() == "true":
            return {"access_token": own.value}
        scopes = frozenset(request.words("scope")) or own.scopes
        accounts = own.accounts or frozenset()
        if assets := request.words("asset"):
            chosen = frozenset(f"act_{one.removeprefix('act_')}" for one in assets)
            if not chosen <= accounts:
                raise errors.unsupported_object(min(chosen - accounts))
            accounts = chosen
        if not scopes <= own.scopes:
            raise errors.missing_scope(min(scopes - own.scopes))
        ends = (request.text("set_token_expires_in_60_days") or "").lower() == "true"
        made = self.state.tokens.issue(
            scopes=scopes,
            accounts=accounts,
            businesses=own.businesses,
            kind=own.kind,
            expires_in_seconds=LONG_LIVED_SECONDS if ends else None,
            user_id=own.user_id,
            user_name=own.user_name,
            app_id=own.app_id,
            client_business_id=business_id,
        )
        return {"access_token": made.value}

    def _edit(self, call: Call) -> dict[str, Any]:
        """Change or delete a campaign, ad set or ad."""
        if "ads_management" not in call.token.scopes:
            raise errors.cannot_manage()
        try:
            if call.request.method == "DELETE":
                self.state.world.delete(call.target.node_id)
            else:
                self._update(call)
        except EditRefusedError as refused:
            raise errors.edit_refused(str(refused), refused.code, refused.subcode) from refused
        if not call.request.fields():
            return {"success": True}
        # POST with `fields` shows the object as it is now, in the same call (FACTS section 0).
        target = replace(call.target, subject=self.state.world.get(call.target.node_id))
        shown = call.request.at((target.node_id,), {"fields": call.request.params["fields"]})
        return self.reader.read(Call(shown, call.token, target, call.now))

    def _update(self, call: Call) -> None:
        params, object_id, world = call.request.params, call.target.node_id, self.state.world
        if not params.keys() <= _WRITABLE | _ENVELOPE:
            raise errors.no_capability()
        if "name" in params:
            world.rename(object_id, str(params["name"]))
        if "status" in params:
            set_status = {
                "ACTIVE": world.activate,
                "PAUSED": world.pause,
                "ARCHIVED": world.archive,
                "DELETED": world.delete,
            }
            status = str(params["status"])
            if status not in set_status:
                raise errors.unknown_value("status", status, sorted(set_status))
            set_status[status](object_id)
        daily = call.request.integer("daily_budget")
        lifetime = call.request.integer("lifetime_budget")
        if daily is not None or lifetime is not None:
            world.set_budget(object_id, daily_minor=daily, lifetime_minor=lifetime)
