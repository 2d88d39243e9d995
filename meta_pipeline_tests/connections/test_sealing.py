"""A sealed token opens with its key for its own tenant and connection, and in no other way."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.connections import (
    KeyMissing,
    Keyring,
    KeysUnusable,
    Sealed,
    TokenUnreadable,
    generate_key,
)

# The same in every process, for cases are named after it; - and _ are in it.
SECRET = base64.urlsafe_b64encode(bytes(range(224, 256))).decode().rstrip("=")
ONE, TWO = f"one:{SECRET}", generate_key("two")
_TOKENS = st.text(min_size=1, max_size=300)
_NAMES = st.text(max_size=30)


@given(token=_TOKENS, tenant=_NAMES, connection_id=_NAMES)
def test_what_is_sealed_opens_again(token: str, tenant: str, connection_id: str) -> None:
    keys = Keyring.parse(ONE)
    sealed = keys.seal(token, tenant=tenant, connection_id=connection_id)
    assert keys.open(sealed, tenant=tenant, connection_id=connection_id) == token
    again = keys.seal(token, tenant=tenant, connection_id=connection_id)
    assert again.data != sealed.data, "the same token never looks the same"


@given(token=_TOKENS, rows=st.lists(st.tuples(_NAMES, _NAMES), min_size=2, max_size=2, unique=True))
def test_a_copied_row_does_not_open(token: str, rows: list[tuple[str, str]]) -> None:
    keys = Keyring.parse(ONE)
    (tenant, connection_id), (other_tenant, other_id) = rows
    sealed = keys.seal(token, tenant=tenant, connection_id=connection_id)
    with pytest.raises(TokenUnreadable, match="changed or copied"):
        keys.open(sealed, tenant=other_tenant, connection_id=other_id)


@given(token=_TOKENS, data=st.data())
def test_a_changed_ciphertext_does_not_open(token: str, data: st.DataObject) -> None:
    keys = Keyring.parse(ONE)
    sealed = keys.seal(token, tenant="t", connection_id="c")
    place = data.draw(st.integers(0, len(sealed.data) - 1))
    changed = bytearray(sealed.data)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    for bad in (bytes(changed), sealed.data[:place]):
        with pytest.raises(TokenUnreadable):
            keys.open(Sealed(sealed.key_id, bad), tenant="t", connection_id="c")


def test_the_first_key_seals_and_all_open() -> None:
    old = Keyring.parse(ONE).seal("EAAold", tenant="t", connection_id="c")
    both = Keyring.parse(f" {TWO} , {ONE},")
    assert (both.first, both.ids) == ("two", ("two", "one"))
    assert both.open(old, tenant="t", connection_id="c") == "EAAold"
    assert both.seal("EAA", tenant="t", connection_id="c").key_id == "two"
    with pytest.raises(TokenUnreadable, match="key one, which is not in META_TOKEN_KEYS"):
        Keyring.parse(TWO).open(old, tenant="t", connection_id="c")


def test_the_same_id_with_another_key_does_not_open() -> None:
    old = Keyring.parse(ONE).seal("EAAold", tenant="t", connection_id="c")
    with pytest.raises(TokenUnreadable, match="another key under that id"):
        Keyring.parse(generate_key("one")).open(old, tenant="t", connection_id="c")


@pytest.mark.parametrize("text", [None, "", " ", ","])
def test_without_a_key_it_says_what_to_do(text: str | None) -> None:
    keys = Keyring.parse(text)
    with pytest.raises(KeyMissing, match="meta-pipeline connections generate-key"):
        keys.seal("EAA", tenant="t", connection_id="c")


@pytest.mark.parametrize("form", [SECRET, SECRET + "=", SECRET.replace("-", "+").replace("_", "/")])
def test_base64_is_read_in_every_form(form: str) -> None:
    sealed = Keyring.parse(ONE).seal("EAA", tenant="t", connection_id="c")
    assert Keyring.parse(f"one:{form}").open(sealed, tenant="t", connection_id="c") == "EAA"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SECRET, "entry 1 is not id:key"),
        (f"{ONE},{SECRET}", "entry 2 is not id:key"),
        (f"a b:{SECRET}", "entry 1 is not id:key"),
        (f"{ONE},{ONE}", "the id one twice"),
        (f"one:{SECRET[:-4]}", "one is not 32 bytes"),
        (f"one:{SECRET}AAAA", "one is not 32 bytes"),
        (f"one:!{SECRET[1:]}", "one is not 32 bytes"),
        (f"one:ä{SECRET}", "one is not 32 bytes"),
        ("one:", "one is not 32 bytes"),
    ],
)
def test_what_is_no_key_is_named_and_not_shown(text: str, said: str) -> None:
    with pytest.raises(KeysUnusable, match=said) as refused:
        Keyring.parse(text)
    assert SECRET[:12] not in str(refused.value)


def test_keys_are_shown_by_nothing() -> None:
    keys = Keyring.parse(ONE)
    raw = base64.urlsafe_b64decode(SECRET + "=")
    assert SECRET not in repr(keys)
    assert repr(raw)[2:10] not in repr(keys)
    assert generate_key("one") != ONE
    with pytest.raises(KeysUnusable):
        generate_key("a:b")


def test_who_seals_and_opens_nothing_loads_no_cipher() -> None:
    program = (
        "import meta_pipeline.sync.engine, meta_pipeline.connections, sys;"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
