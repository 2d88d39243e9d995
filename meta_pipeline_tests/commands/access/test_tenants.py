"""`meta-pipeline tenants` as an agency uses it: one client sees its own ad accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from meta_pipeline_tests.commands.shell import Shell, shell_of, spec
from meta_pipeline_tests.warehouse.rows import insert


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop DE"), spec("Shop US")) as found:
        assert found.run("accounts", "list", "--refresh").exit_code == 0
        yield found
        database = urlsplit(database_url).path[1:]
        with psycopg.connect(database_url, autocommit=True) as connection:
            for group in ("api", "tenant"):
                name = sql.Identifier(f"meta_ads_{group}_{database}")
                connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
                connection.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_client_from_its_first_account_to_its_end(shell: Shell, database_url: str) -> None:
    german, american = shell.ids
    role = f"acme_{urlsplit(database_url).path[1:]}"
    (default,) = shell.json("tenants", "list")
    assert default["account_ids"] == sorted(shell.ids)
    assert not default["is_kept_apart"]

    assert shell.run("tenants", "add", "acme", "--name", "Acme", "-a", "shop de").exit_code == 0
    assert shell.run("tenants", "members", "acme", "--add", "Ann@Acme.test").exit_code == 0
    made = shell.run("tenants", "sql-role", "acme", "--role", role)
    assert made.exit_code == 0
    password = shell.outputs.pop().strip().splitlines()[-1]

    _, acme = shell.json("tenants", "list")
    assert acme["account_ids"] == [german]
    assert acme["is_kept_apart"]
    assert (acme["member_count"], acme["sql_roles"]) == (1, [role])
    (member,) = shell.json("tenants", "members", "acme")
    assert (member["subject"], member["role"]) == ("ann@acme.test", "viewer")
    assert seen_by(role, password, database_url) == [german]

    assert shell.run("tenants", "grant", "acme", american).exit_code == 0
    assert seen_by(role, password, database_url) == sorted(shell.ids)
    assert shell.run("tenants", "revoke", "acme", "Shop US", german).exit_code == 0
    assert seen_by(role, password, database_url) == []

    typed = shell.run(
        "tenants", "sql-role", "acme", "--role", role, "--password-stdin", typed="a new password\n"
    )
    assert "a new password" not in typed.output
    assert seen_by(role, "a new password", database_url) == []
    assert shell.run("tenants", "members", "acme", "--remove", "ann@acme.test").exit_code == 0
    assert shell.run("tenants", "invitations", "acme", "--invite", "Ida@acme.test").exit_code == 0
    (invited,) = shell.json("tenants", "invitations", "acme")
    assert (invited["subject"], invited["role"]) == ("ida@acme.test", "viewer")
    assert invited["is_open"]
    assert shell.run("tenants", "invitations", "acme", "--revoke", "ida@acme.test").exit_code == 0
    assert shell.json("tenants", "invitations", "acme") == []
    assert shell.rows("SELECT tenant, action FROM meta_ads.web_events ORDER BY id") == [
        ("acme", "tenant added"),
        ("acme", "member set"),
        ("acme", "SQL login given a password"),
        ("acme", "accounts granted"),
        ("acme", "accounts taken"),
        ("acme", "SQL login given a password"),
        ("acme", "member removed"),
        ("acme", "invited"),
        ("acme", "invitation revoked"),
    ]
    assert shell.run("tenants", "remove", "acme", "--yes").exit_code == 0
    audit = shell.rows("SELECT actor, action, detail FROM meta_ads.web_events ORDER BY id")
    assert [row[1:] for row in audit[-2:]] == [
        ("SQL login dropped", role),
        ("tenant removed", "Acme"),
    ]
    assert all(actor.startswith("command of ") for actor, _, _ in audit)
    assert password not in repr(audit)
    assert "a new password" not in repr(audit)
    assert len(shell.json("tenants", "list")) == 1
    assert not shell.rows("SELECT FROM pg_roles WHERE rolname = %s", role)


def test_a_dead_connection_by_which_a_client_sees_accounts_is_warned_of(
    shell: Shell, database_url: str
) -> None:
    shell.run("tenants", "add", "acme", "-a", "Shop US")
    german, now = shell.ids[0], datetime.now(UTC)
    with psycopg.connect(database_url) as connection:
        insert(
            connection,
            "connections",
            connection_id="conn_1",
            tenant="acme",
            kind="user",
            name="Acme",
            app_id="1",
            user_id="2",
            scopes=Jsonb(["ads_read"]),
            state="revoked",
            added_at=now,
            checked_at=now,
        )
        insert(
            connection,
            "connection_accounts",
            connection_id="conn_1",
            account_id=german,
            seen_at=now,
        )
        insert(
            connection,
            "tenant_accounts",
            tenant="acme",
            account_id=german,
            granted_at=now,
            is_by_connection=True,
        )
    warned = " ".join(shell.run("tenants", "list").stderr.split())
    assert "Acme (conn_1) of acme is revoked" in warned
    assert german in warned
    assert "meta-pipeline connections remove conn_1" in warned
    shell.run("connections", "remove", "conn_1", "--yes")
    shell.run("tenants", "remove", "acme", "--yes")


def test_what_a_login_could_do_to_others_is_warned_of_until_it_is_closed(
    shell: Shell, database_url: str
) -> None:
    role = f"acme_{urlsplit(database_url).path[1:]}"
    warning = f"be filled, by {role}. meta-pipeline tenants enforce --harden closes that"
    shell.run("tenants", "add", "acme", "-a", "Shop DE")
    sql_role = ("sql-role", "acme", "--role", role)
    for words in (sql_role, ("list",), ("enforce",)):
        result = shell.run("tenants", *words)
        assert result.exit_code == 0
        assert warning in result.stderr.replace("\n", " "), words

    closed = shell.run("tenants", "enforce", "--harden")
    assert "large objects of this database are for superusers, meta_ads_api_" in closed.output

    # What is left is what only an administrator of the server closes.
    left = f'! The disk may be filled from other databases of this server, too, by "{role}".'
    for words in (sql_role, ("list",), ("enforce",)):
        told = shell.run("tenants", *words).stderr.replace("\n", " ")
        assert told.startswith(left), words
        assert told.count("! ") == 1, words
    shell.run("tenants", "remove", "acme", "--yes")


def test_what_cannot_be_removed_keeps_its_logins_and_the_audit_says_what_became_of_them(
    shell: Shell, database_url: str
) -> None:
    role = f"acme_{urlsplit(database_url).path[1:]}"
    for words in (("add", "acme"), ("add", "zeta"), ("sql-role", "acme", "--role", role)):
        assert shell.run("tenants", *words).exit_code == 0
    password = shell.outputs.pop().strip().splitlines()[-1]
    of_zeta = shell.run("tenants", "sql-role", "zeta", "--role", role, "--drop")
    assert "is that of tenant acme, not of zeta." in of_zeta.output.replace("\n", " ")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO meta_ads.connections (connection_id, tenant, kind, name, app_id, user_id, "
            "scopes, state, added_at, checked_at) "
            "VALUES ('c', 'acme', 'user', 'c', '1', '1', '[]', 'active', now(), now())"
        )
        of_connections = shell.run("tenants", "remove", "acme", "--yes")
        assert of_connections.exit_code == 1
        assert "Nothing was changed." in of_connections.output.replace("\n", " ")
        assert seen_by(role, password, database_url) == []

        owner.execute("DELETE FROM meta_ads.connections")
        owner.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        owner.execute("SELECT lo_create(0)")
        owner.execute("RESET ROLE")
        refused = shell.run("tenants", "remove", "acme", "--yes")
        assert "owner of large object" in refused.output.replace("\n", " ")
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
    for tenant in ("acme", "zeta"):
        assert shell.run("tenants", "remove", tenant, "--yes").exit_code == 0
    audit = shell.rows("SELECT tenant, action FROM meta_ads.web_events ORDER BY id")
    assert audit[3:] == [
        ("acme", "SQL login shut out"),
        ("acme", "SQL login dropped"),
        ("acme", "tenant removed"),
        ("zeta", "tenant removed"),
    ]


def test_a_role_that_is_not_dropped_with_its_tenant_is_said_to_stay(
    shell: Shell, database_url: str
) -> None:
    role = f"acme_{urlsplit(database_url).path[1:]}"
    name = sql.Identifier(role)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        shell.run("tenants", "add", "acme")
        taken = ("tenants", "sql-role", "acme", "--role", role)
        assert shell.run(*taken, "--existing").exit_code == 0
        dropped = " ".join(shell.run(*taken, "--drop").output.split())
        assert f"Role {role} sees no tenant's rows of this database any more." in dropped
        assert "sees nothing" not in dropped

        # As after a restore beside it: named, and in no group of this database.
        shell.run(*taken, "--existing")
        owner.execute(sql.SQL("DROP ROLE {0}; CREATE ROLE {0} LOGIN SUPERUSER").format(name))
        removed = " ".join(shell.run("tenants", "remove", "acme", "--yes").output.split())
        assert f"Role {role} was not made here and stays, and reads every tenant's" in removed
        owner.execute(sql.SQL("DROP ROLE {}").format(name))
    audit = shell.rows("SELECT action FROM meta_ads.web_events ORDER BY id")
    assert audit.count(("SQL login let go",)) == 2


def test_every_mistake_is_a_sentence_and_changes_nothing(shell: Shell) -> None:
    assert shell.run("tenants", "add", "acme").exit_code == 0
    before = shell.json("tenants", "list")
    for words, sentence in {
        ("add", "acme"): "There is a tenant acme already",
        ("add", "Acme Ltd"): "is no short name",
        ("add", "other", "-a", "no such shop"): "There is no ad account 'no such shop'",
        ("grant", "nobody", "Shop DE"): "There is no tenant 'nobody'",
        ("revoke", "nobody", "Shop DE"): "There is no tenant 'nobody'",
        ("remove", "default", "-y"): "The tenant default stays",
        ("remove", "nobody", "-y"): "There is no tenant 'nobody'",
        ("members", "acme", "--add", " "): "needs an e-mail address or a user name",
        ("members", "acme", "--remove", "ann"): "ann is no member of acme",
        ("invitations", "acme", "--invite", "two words"): "An invitation needs the e-mail address",
        ("invitations", "acme", "--revoke", "ann"): "ann is not invited to acme",
        ("invitations", "nobody"): "There is no tenant 'nobody'",
        ("sql-role", "nobody"): "There is no tenant 'nobody'",
        ("sql-role", "acme", "--drop"): "is that of no tenant",
        ("sql-role", "acme", "--existing"): "There is no role acme_sql",
        ("sql-role", "acme", "--existing", "--drop"): "exclude each other",
    }.items():
        result = shell.run("tenants", *words)
        assert result.exit_code != 0, words
        assert sentence in result.output.replace("\n", " "), (words, result.output)
    short = shell.run("tenants", "sql-role", "acme", "--password-stdin", typed="short")
    assert short.exit_code == 1
    assert "at least 12 characters" in short.output
    assert shell.json("tenants", "list") == before


def seen_by(role: str, password: str, url: str) -> list[str]:
    parts = urlsplit(url)
    with closing(
        psycopg.connect(
            host=parts.hostname,
            port=parts.port,
            dbname=parts.path[1:],
            user=role,
            password=password,
        )
    ) as connection:
        rows = connection.execute("SELECT account_id FROM meta_ad_accounts ORDER BY 1").fetchall()
    return [account_id for (account_id,) in rows]
