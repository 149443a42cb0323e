"""What is wrong with files for TLS is said in a sentence that names them, before anybody connects."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.edge.tls import ChannelTls, ListenerTls, TlsFiles, TlsUnusable
from tests.support.certificates import Authority, Pair, write_key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("server")


def refusal(certificate: Path, key: Path, client_ca: Path | None = None) -> str:
    with pytest.raises(TlsUnusable) as caught:
        ListenerTls(TlsFiles(certificate, key, client_ca))
    return str(caught.value)


def test_files_that_belong_together_are_used(authority: Authority, pair: Pair) -> None:
    tls = ListenerTls(TlsFiles(pair.certificate, pair.key, authority.file))
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls.identity.client_ca == authority.file.read_bytes()
    assert "PRIVATE KEY" not in repr(tls.identity)


def test_a_file_that_is_not_there_is_named(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    sentence = f"{missing} cannot be read: no such file or directory."
    assert refusal(missing, pair.key) == sentence
    assert refusal(pair.certificate, missing) == sentence
    assert refusal(pair.certificate, pair.key, missing) == sentence


def test_a_directory_is_no_file(pair: Pair, tmp_path: Path) -> None:
    assert refusal(tmp_path, pair.key) == f"{tmp_path} cannot be read: is a directory."


def test_a_key_of_another_certificate_is_refused(authority: Authority, pair: Pair) -> None:
    other = authority.issue("other")
    expected = f"The private key {other.key} is not that of the certificate {pair.certificate}."
    assert refusal(pair.certificate, other.key) == expected


def test_what_is_no_pem_is_refused(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_bytes(b"\xff\x00 nothing of the kind")
    junk.chmod(0o600)
    assert refusal(junk, pair.key) == f"{junk} holds no certificate in PEM form."
    assert refusal(pair.certificate, junk) == f"{junk} holds no private key in PEM form."
    assert refusal(pair.certificate, pair.key, junk) == f"{junk} holds no certificate in PEM form."


def test_files_given_for_each_other_are_refused(pair: Pair) -> None:
    pair.certificate.chmod(0o600)
    assert refusal(pair.key, pair.certificate) == f"{pair.key} holds no certificate in PEM form."


def test_a_key_under_a_passphrase_is_refused_and_nobody_is_asked_for_it(pair: Pair) -> None:
    write_key(pair.key, ec.generate_private_key(ec.SECP256R1()), passphrase=b"secret")
    assert refusal(pair.certificate, pair.key).startswith(f"{pair.key} is protected by a passphrase")


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o620])
def test_a_key_that_others_can_read_or_change_is_refused(pair: Pair, mode: int) -> None:
    pair.key.chmod(mode)
    assert refusal(pair.certificate, pair.key) == (
        f"{pair.key} is a private key that others than its owner can read or change; say chmod 600 {pair.key}."
    )


def test_a_key_of_root_may_be_read_by_its_group(pair: Pair) -> None:
    pair.key.chmod(0o640)
    if pair.key.stat().st_uid == 0:
        ListenerTls(TlsFiles(pair.certificate, pair.key))
    else:
        assert "chmod 600" in refusal(pair.certificate, pair.key)


def test_a_renewal_is_taken_up_once_it_is_whole(authority: Authority, pair: Pair) -> None:
    tls = ListenerTls(TlsFiles(pair.certificate, pair.key))
    first = tls.identity
    assert tls.renew() is False
    new = authority.issue("renewed")
    pair.certificate.write_bytes(new.certificate.read_bytes())
    with pytest.raises(TlsUnusable, match="is not that of the certificate"):
        tls.renew()
    assert tls.identity is first
    pair.key.write_bytes(new.key.read_bytes())
    assert tls.renew() is True
    assert tls.identity.certificate == new.certificate.read_bytes()
    assert tls.renew() is False


def test_files_that_vanish_leave_what_is_shown(pair: Pair) -> None:
    tls = ListenerTls(TlsFiles(pair.certificate, pair.key))
    first = tls.identity
    pair.certificate.unlink()
    with pytest.raises(TlsUnusable, match="cannot be read"):
        tls.renew()
    assert tls.identity is first


def test_the_files_of_a_client_are_checked_as_well(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    ChannelTls(authority.file, pair.certificate, pair.key).credentials()
    ChannelTls().credentials()
    with pytest.raises(TlsUnusable, match=r"missing\.pem cannot be read"):
        ChannelTls(tmp_path / "missing.pem").credentials()
    other = authority.issue("other")
    with pytest.raises(TlsUnusable, match="is not that of"):
        ChannelTls(authority.file, pair.certificate, other.key).credentials()
    pair.key.chmod(0o644)
    with pytest.raises(TlsUnusable, match="chmod 600"):
        ChannelTls(authority.file, pair.certificate, pair.key).credentials()
