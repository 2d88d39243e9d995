from __future__ import annotations

from datetime import date
from itertools import product
from pathlib import Path

import pytest

from meta_pipeline.metrics import DictionaryError, load_dictionary, read_dictionary, rollup
from meta_pipeline.metrics.definitions import store
from meta_pipeline.metrics.definitions.definition import MetricKind
from meta_pipeline.metrics.definitions.reader import STANDARD
from meta_pipeline.metrics.source import ROLLUP_COLUMNS
from meta_pipeline.warehouse import Warehouse, schema

from .rows import ACCOUNT, Rows, actions, ask


def written(folder: Path, text: str) -> Path:
    path = folder / "ours.yaml"
    path.write_text(text, encoding="utf-8")
    return path


_SAID = "display_name: S, description: S, unit: count"
METRIC = """metrics:
  signups:
    display_name: S
    description: S
    unit: count
    kind: sum
"""
MISTAKES = {
    "unknown action type": (
        METRIC + "    actions: [omni_purchas]\n",
        r"ours.yaml:7: unknown action type 'omni_purchas' \(did you mean omni_purchase",
    ),
    "key given twice": (
        METRIC + "    column: spend\n    column: clicks\n",
        r"ours.yaml:8: 'column' is given twice, first in line 7",
    ),
    "metric given twice": (
        "metrics:\n  a: {}\n  a: {}\n",
        r"ours.yaml:3: 'a' is given twice, first in line 2",
    ),
    "cycle": (
        METRIC
        + "    add: [signups_again]\n"
        + METRIC.replace("metrics:\n", "").replace("signups", "signups_again")
        + "    add: [signups]\n",
        "made of each other: signups -> signups_again -> signups",
    ),
    "ratio without denominator": (
        METRIC.replace("kind: sum", "kind: ratio") + "    numerator: spend\n",
        r"ours.yaml:2: ratio signups has no denominator",
    ),
    "ratio of a ratio": (
        METRIC.replace("kind: sum", "kind: ratio") + "    numerator: cpl\n    denominator: leads\n",
        "through the ratio cpl",
    ),
    "reach by sum": (METRIC + "    column: reach\n", "people cannot be added"),
    "sum of two sources": (METRIC + "    column: spend\n    family: lead\n", "exactly one of"),
    "unknown metric in a ratio": (
        METRIC.replace("kind: sum", "kind: ratio")
        + "    numerator: spnd\n    denominator: leads\n",
        r"'spnd', which is no metric \(did you mean spend",
    ),
    "unknown field": (METRIC + "    colum: spend\n", r"ours.yaml:7: colum: Extra inputs"),
    "unknown section": ("metric:\n  a: 1\n", r"unknown section 'metric' \(did you mean metrics"),
    "no YAML": ("metrics: [\n", "ours.yaml:2: is not YAML"),
    "a list": ("- a\n", "must be a mapping"),
    "two types of one family added": (
        METRIC + "    add: [purchase, offsite_conversion.fb_pixel_purchase]\n",
        "would count twice: purchase and offsite_conversion.fb_pixel_purchase both hold purchase",
    ),
    "a family and what contains it added": (
        METRIC + "    add: [post_engagements, link_clicks]\n",
        "both hold link_click actions",
    ),
    "counts and amounts added": (METRIC + "    add: [purchases, revenue]\n", "in currency"),
    "retired window": (METRIC + "    family: lead\n    window: 28d_view\n", "28d_view"),
    "goal of nothing": ("goals:\n  objective:\n    X: cpl\n", r"ours.yaml:3: goal X needs a sum"),
    "metric called as an action type": (
        METRIC.replace("signups", "purchase") + "    family: purchase\n",
        "purchase is an action type",
    ),
    "type in two families": (
        "families:\n  buy:\n    types: [omni_purchase]\n",
        "ours.yaml:3: action type omni_purchase is already in family purchase",
    ),
    "families inside each other": (
        "families:\n  a: {types: [x], includes: [b]}\n  b: {types: [y], includes: [a]}\n",
        "include each other: a -> b -> a",
    ),
}
OVERRIDE = "overrides:\n  - account: act_1\n    metric: {metric}\n    note: because\n"
BAD_OVERRIDES = {
    "double count": (
        OVERRIDE.format(metric="leads") + "    add: [lead, offsite_conversion.fb_pixel_lead]\n",
        r"ours.yaml:2: leads would count twice: lead and .*for act_1",
    ),
    "double count in a metric that adds it": (
        METRIC
        + "    add: [leads, registrations]\n"
        + OVERRIDE.format(metric="leads")
        + "    actions: [complete_registration]\n",
        "signups would count twice: leads and registrations both hold registration",
    ),
    "metric that is none": (
        OVERRIDE.format(metric="lead") + "    actions: [lead]\n",
        r"no metric 'lead' \(did you mean leads",
    ),
    "no reason given": (
        "overrides:\n  - account: act_1\n    metric: leads\n    actions: [lead]\n",
        "note: Field required",
    ),
    "no account id": (
        OVERRIDE.format(metric="leads").replace("act_1", "1") + "    actions: [lead]\n",
        "account",
    ),
    "nothing changed": (OVERRIDE.format(metric="leads"), "changes nothing"),
    "overlapping days": (
        OVERRIDE.format(metric="leads")
        + "    actions: [lead]\n    valid_until: 2026-03-10\n"
        + OVERRIDE.format(metric="leads").removeprefix("overrides:\n")
        + "    actions: [onsite_conversion.lead_grouped]\n    valid_from: 2026-03-10\n",
        r"ours.yaml:7: two overrides of leads for act_1 hold on the same days",
    ),
    "cycle through an override": (
        METRIC + "    add: [leads]\n" + OVERRIDE.format(metric="leads") + "    add: [signups]\n",
        "made of each other",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES | BAD_OVERRIDES)
def test_mistake_is_named_with_its_line(mistake: str, tmp_path: Path) -> None:
    text, message = (MISTAKES | BAD_OVERRIDES)[mistake]

    with pytest.raises(DictionaryError, match=message) as caught:
        read_dictionary(written(tmp_path, text))
    assert caught.value.line


def test_aliases_of_aliases_end_in_a_sentence(tmp_path: Path) -> None:
    """Nine lines that stand for a thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(DictionaryError, match="aliases counted"):
        read_dictionary(written(tmp_path, "\n".join(lines)))


def test_a_key_is_a_word(tmp_path: Path) -> None:
    """Fifteen levels in some 350 bytes would be a key of gigabytes."""
    levels = "".join(f", &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 15))
    with pytest.raises(DictionaryError, match="a key must be a word"):
        read_dictionary(written(tmp_path, f"? [&a0 [x, x, x, x]{levels}]\n: 1\n"))


def test_what_many_paths_lead_to_is_looked_at_once(tmp_path: Path) -> None:
    """Sixty storeys of two doors each: more paths than could ever be walked."""
    storeys = range(60)
    families = ["families:"]
    sums = ["metrics:"]
    for n, door in product(storeys, "lr"):
        below = f"[l{n + 1}, r{n + 1}]" if n + 1 in storeys else "[]"
        families += [f"  {door}{n}: {{types: [{door}_{n}], includes: {below}}}"]
        of = f"add: [m_l{n + 1}, m_r{n + 1}]" if n + 1 in storeys else "column: spend"
        sums += [f"  m_{door}{n}: {{{_SAID}, kind: sum, {of}}}"]
    dictionary = read_dictionary(written(tmp_path, "\n".join(families)))
    assert len(dictionary.families.included("l0")) == 118
    with pytest.raises(DictionaryError, match="would count twice"):
        read_dictionary(written(tmp_path, "\n".join(sums)))


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="cannot be read: No such file"):
        read_dictionary(tmp_path / "none.yaml")


def test_a_file_may_begin_with_a_byte_order_mark_and_other_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    text = OVERRIDE.format(metric="leads") + "    actions: [lead]\n"
    path.write_text(text, encoding="utf-8-sig")
    assert [override.metric for override in read_dictionary(path).overrides] == ["leads"]
    path.write_text("metrics: {} # é", encoding="cp1252")
    with pytest.raises(DictionaryError, match=r"ours.yaml: is not UTF-8 text"):
        read_dictionary(path)


def test_every_rollup_column_is_a_sum_of_the_standard_dictionary() -> None:
    dictionary = read_dictionary()

    for name in ROLLUP_COLUMNS:
        assert dictionary.metric(name).kind is MetricKind.SUM
        assert name in schema.ad_rollups.columns


def test_comments_in_the_standard_file_are_a_valid_override(tmp_path: Path) -> None:
    text = STANDARD.read_text(encoding="utf-8")
    example = text[text.index("# overrides:\n") : text.index("overrides: []")]
    lines = [line.removeprefix("# ").removeprefix("#") for line in example.splitlines()]

    dictionary = read_dictionary(written(tmp_path, "\n".join(lines)))

    assert [override.metric for override in dictionary.overrides] == ["free_base_members", "cpa"]


def test_loaded_dictionary_is_read_back_the_same(warehouse: Warehouse, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        METRIC
        + "    add: [leads, registrations]\n"
        + OVERRIDE.format(metric="cpa")
        + "    denominator: leads\n    valid_from: 2026-01-01\n",
    )
    loaded = load_dictionary(warehouse, path)

    with warehouse.connection() as connection:
        read = store.current(connection)

    assert read.fingerprint != read_dictionary().fingerprint
    assert {key: read.metric(key) for key in read.metrics} == dict(loaded.metrics)
    assert read.overrides == loaded.overrides
    assert read.goals == loaded.goals
    assert read.families.by_name == loaded.families.by_name
    assert read.version(ACCOUNT) == loaded.version(ACCOUNT)


def test_wrong_file_changes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    load_dictionary(warehouse)
    with pytest.raises(DictionaryError):
        load_dictionary(warehouse, written(tmp_path, METRIC))
    with warehouse.connection() as connection:
        assert store.current(connection).fingerprint == read_dictionary().fingerprint


def test_override_holds_from_its_first_to_its_last_day_for_its_account_only(
    warehouse: Warehouse, rows: Rows, tmp_path: Path
) -> None:
    custom = "offsite_conversion.custom.77"
    load_dictionary(
        warehouse,
        written(
            tmp_path,
            OVERRIDE.format(metric="free_base_members")
            + f"    actions: [{custom}, omni_complete_registration]\n"
            + "    valid_from: 2026-03-10\n    valid_until: 2026-03-11\n",
        ),
    )
    rows.tree()
    rows.tree("act_2", "x")
    both = actions(omni_complete_registration=10, complete_registration=10)
    both.append({"action_type": custom, "value": "4"})
    for day in (9, 10, 11, 12):
        rows.insight("a1", date(2026, 3, day), actions=both)
        rows.insight("xa1", date(2026, 3, day), "act_2", actions=both)

    def counted() -> dict[str, list[int]]:
        days = (date(2026, 3, 9), date(2026, 3, 12))
        answers = {
            account: ask(
                warehouse, "free_base_members", account=account, by=["day"], date_range=days
            )
            for account in (ACCOUNT, "act_2")
        }
        assert answers[ACCOUNT].attrs["overrides"]["free_base_members"][0]["note"] == "because"
        return {name: list(frame["free_base_members"]) for name, frame in answers.items()}

    expected = {ACCOUNT: [10, 4, 4, 10], "act_2": [10, 10, 10, 10]}
    assert counted() == expected
    for account in (ACCOUNT, "act_2"):
        rollup(rows.connection, account)
    rows.connection.commit()
    assert counted() == expected


def test_ratio_override_changes_its_denominator_for_one_account(
    warehouse: Warehouse, rows: Rows, tmp_path: Path
) -> None:
    load_dictionary(
        warehouse,
        written(tmp_path, OVERRIDE.format(metric="cpa") + "    denominator: registrations\n"),
    )
    rows.tree()
    rows.tree("act_2", "x")
    happened = actions(omni_purchase=2, omni_complete_registration=5)
    rows.insight("a1", spend=100, actions=happened)
    rows.insight("xa1", account_id="act_2", spend=100, actions=happened)
    for account in (ACCOUNT, "act_2"):
        rollup(rows.connection, account)
    rows.connection.commit()

    by_account = ask(warehouse, "cpa", account=[ACCOUNT, "act_2"], by=["account"])
    assert by_account.set_index("account_id")["cpa"].to_dict() == {ACCOUNT: 20.0, "act_2": 50.0}
    # 200 spent for five registrations of the one and two purchases of the other.
    together = ask(warehouse, "cpa", account=[ACCOUNT, "act_2"])
    assert together["cpa"].tolist() == [pytest.approx(200 / 7)]
