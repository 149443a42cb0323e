"""The form of keys: what is made is well formed, and one wrong character is not."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.application.keys import KeyFactory, is_well_formed, visible_prefix
from server.domain.key import KeyEnvironment, KeyStyle

PEPPER = b"a pepper of enough bytes"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIXED = [(style, environment) for style in (KeyStyle.SECRET, KeyStyle.PUBLISHABLE) for environment in KeyEnvironment]


def constant(byte: int) -> Callable[[int], bytes]:
    """Entropy that is none."""
    return lambda count: bytes([byte]) * count


@pytest.mark.parametrize(("style", "environment"), PREFIXED)
@pytest.mark.parametrize("byte", [0, 1, 255])
def test_a_key_shows_style_environment_and_public_id(style: KeyStyle, environment: KeyEnvironment, byte: int) -> None:
    key = KeyFactory(PEPPER, entropy=constant(byte)).make(style, environment)
    assert re.fullmatch(rf"{style.value}_{environment.value}_[0-9A-Za-z]{{8}}_[0-9A-Za-z]{{49}}", key)
    assert is_well_formed(key)
    assert visible_prefix(key) == key[:16]


def test_an_archive_key_is_its_secret_in_hex() -> None:
    key = KeyFactory(PEPPER, entropy=constant(0xAB)).make(KeyStyle.ARCHIVE, KeyEnvironment.LIVE)
    assert key == "ayeto-" + "ab" * 32
    assert is_well_formed(key)
    assert visible_prefix(key) == "ayeto-abababab"


@given(st.binary(min_size=32, max_size=32))
def test_the_whole_secret_is_in_the_key(secret: bytes) -> None:
    made = KeyFactory(PEPPER, entropy=lambda count: secret[:count]).make(KeyStyle.SECRET, KeyEnvironment.TEST)
    digits = made.rsplit("_", 1)[1][:43]
    value = 0
    for digit in digits:
        value = value * 62 + ALPHABET.index(digit)
    assert value == int.from_bytes(secret)


@given(position=st.integers(0, 64), character=st.sampled_from(ALPHABET))
def test_one_wrong_character_breaks_the_checksum_or_the_form(position: int, character: str) -> None:
    key = KeyFactory(PEPPER, entropy=constant(7)).make(KeyStyle.SECRET, KeyEnvironment.LIVE)
    wrong = key[:position] + character + key[position + 1 :]
    assert is_well_formed(wrong) == (wrong == key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk_live_",
        "sk_prod_00000000_" + "0" * 49,
        "ayeto-" + "A" * 64,
        "ayeto-" + "a" * 63,
        "ayeto-" + "a" * 64 + "\n",
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
        "sk_live_00000000_" + "٣" * 49,
    ],
)
def test_other_texts_are_no_keys(text: str) -> None:
    assert not is_well_formed(text)


def test_two_keys_differ() -> None:
    factory = KeyFactory(PEPPER)
    keys = {factory.make(style, KeyEnvironment.LIVE) for style in KeyStyle for _ in range(3)}
    assert len(keys) == 9


def test_the_digest_depends_on_key_and_pepper() -> None:
    factory, other = KeyFactory(PEPPER), KeyFactory(PEPPER + b"!")
    assert re.fullmatch("[0-9a-f]{64}", factory.digest("a"))
    assert factory.digest("a") == factory.digest("a")
    assert len({factory.digest("a"), factory.digest("b"), other.digest("a")}) == 3


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        KeyFactory(b"short")
