"""Every SSH method of the unmodified ngrok-api package, against a server of ours.

usage: client.py BASE_URL TOKEN USER_KEY HOST_KEY LOGIN_NAME DIRECTORY

USER_KEY and HOST_KEY are files with public keys. The certificates for them, and the keys of their authorities, are
left in DIRECTORY for a login: user-cert.pub, host-cert.pub, user-ca.pub, host-ca.pub.
"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import ngrok

base_url, token, user_key_file, host_key_file, login_name, directory = sys.argv[1:]
user_key = Path(user_key_file).read_text().strip()
host_key = Path(host_key_file).read_text().strip()
client = ngrok.Client(token, base_url=base_url)
authorities = client.ssh_certificate_authorities
users = client.ssh_user_certificates
hosts = client.ssh_host_certificates


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ngrok.Error as error:
        assert error.error_code == f"ERR_NGROK_{code}", (error.error_code, error.msg)
        assert error.operation_id.startswith("op_"), error.operation_id
        return error
    raise AssertionError(f"ERR_NGROK_{code} was expected")


def not_found(call, *arguments):
    try:
        call(*arguments)
    except ngrok.NotFoundError as error:
        assert error.http_status_code == 404 and error.operation_id.startswith("op_")
    else:
        raise AssertionError("a 404 was expected")


def same(one, other):
    """Two objects of the package say the same."""
    assert one._props == other._props, (one._props, other._props)


def authorities_in_full():
    made = {}
    for kind, options in {
        "ed25519": {},
        "ecdsa": {"elliptic_curve": "p256"},
        "rsa": {"key_size": 2048},
    }.items():
        made[kind] = authorities.create(
            description=f"{kind} authority", metadata="{}", private_key_type=kind, **options
        )
        authority = made[kind]
        assert authority.key_type == kind and authority.id.startswith("sshca_")
        assert authority.uri == f"{base_url}/ssh_certificate_authorities/{authority.id}"
        assert len(authority.public_key.split(" ")) == 2
        same(authorities.get(authority.id), authority)
    default = authorities.create()
    assert (default.key_type, default.description, default.metadata) == ("ed25519", "", "")

    changed = authorities.update(default.id, description="changed")
    assert (changed.description, changed.metadata) == ("changed", "")
    default.update(metadata="kept beside it")
    same(authorities.update(default.id), authorities.get(default.id))
    assert authorities.get(default.id).metadata == "kept beside it"

    listed = [authority.id for authority in authorities.list(limit="2")]
    assert sorted(listed) == sorted(authority.id for authority in [*made.values(), default])
    assert listed == sorted(listed, reverse=True)
    page = authorities.list(before_id=listed[0], limit="1")
    assert [authority.id for authority in page.ssh_certificate_authorities] == [listed[1]]
    assert page.next_page_uri.startswith(f"{base_url}/ssh_certificate_authorities?")

    default.delete()
    not_found(authorities.get, default.id)
    not_found(authorities.delete, default.id)
    refused(1936, authorities.create, private_key_type="dsa")
    refused(1937, authorities.create, description="x" * 256)
    refused(1940, authorities.create, private_key_type="ed25519", key_size=2048)
    return made


def user_certificates_in_full(authority):
    until = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat(timespec="seconds")
    certificate = users.create(
        ssh_certificate_authority_id=authority.id,
        public_key=user_key,
        principals=[login_name],
        extensions={"permit-pty": ""},
        valid_after=None,
        valid_until=until,
        description="for a login",
    )
    assert certificate.id.startswith("sucrt_")
    assert certificate.uri == f"{base_url}/ssh_user_certificates/{certificate.id}"
    assert certificate.public_key == user_key
    assert certificate.principals == [login_name]
    assert (certificate.critical_options, certificate.extensions) == ({}, {"permit-pty": ""})
    assert certificate.valid_after == certificate.created_at
    assert certificate.valid_until == until.replace("+00:00", "Z")
    assert certificate.certificate.split(" ")[2] == certificate.id
    assert certificate.ssh_certificate_authority_id == authority.id
    same(users.get(certificate.id), certificate)

    given = dict(
        ssh_certificate_authority_id=authority.id,
        public_key=user_key,
        principals=["root"],
        valid_after=None,
        valid_until=None,
    )
    others = [users.create(**given) for _ in range(3)]
    assert others[0].extensions == {"permit-pty": "", "permit-user-rc": ""}
    updated = users.update(others[0].id, description="one", metadata="two")
    assert (updated.description, updated.metadata) == ("one", "two")
    assert updated.certificate == others[0].certificate
    others[0].update(description="")
    assert (users.get(others[0].id).description, users.get(others[0].id).metadata) == ("", "two")

    listed = [item.id for item in users.list(limit="2")]
    assert sorted(listed) == sorted(item.id for item in [certificate, *others])
    assert [item.id for item in users.list(before_id=listed[1]).ssh_user_certificates] == listed[2:]

    others[0].delete()
    for other in others[1:]:
        users.delete(other.id)
    not_found(users.get, others[0].id)
    not_found(users.delete, others[1].id)
    assert [item.id for item in users.list()] == [certificate.id]

    refused(215, users.create, **{**given, "principals": []})
    refused(1934, users.create, **{**given, "public_key": "no key"})
    refused(1951, users.create, **{**given, "ssh_certificate_authority_id": "sshca_2rwwl4SDEadVIHE5LIPmoVwx9q5"})
    refused(1962, users.create, **{**given, "valid_until": "2020-01-01T00:00:00Z"})
    refused(233, users.list, limit="1000")
    return certificate


def host_certificates_in_full(authority):
    given = dict(
        ssh_certificate_authority_id=authority.id,
        public_key=host_key,
        principals=["127.0.0.1", "localhost"],
        valid_after=None,
        valid_until=None,
    )
    certificate = hosts.create(**given, description="for a login", metadata="{}")
    assert certificate.id.startswith("shcrt_")
    assert certificate.principals == ["127.0.0.1", "localhost"]
    year = datetime.fromisoformat(certificate.valid_until[:-1]) - datetime.fromisoformat(certificate.valid_after[:-1])
    assert year == timedelta(days=365)
    same(hosts.get(certificate.id), certificate)

    other = hosts.create(**given)
    assert hosts.update(other.id, metadata="x").metadata == "x"
    other.update(description="y")
    assert (hosts.get(other.id).description, hosts.get(other.id).metadata) == ("y", "x")
    assert [item.id for item in hosts.list(limit="1")] == sorted([other.id, certificate.id], reverse=True)
    other.delete()
    not_found(hosts.get, other.id)
    third = hosts.create(**given)
    hosts.delete(third.id)
    assert [item.id for item in hosts.list()] == [certificate.id]

    refused(1949, hosts.create, **{**given, "ssh_certificate_authority_id": ""})
    refused(1963, hosts.create, **{**given, "valid_until": "2020-01-01T00:00:00Z"})
    return certificate


made = authorities_in_full()
user_certificate = user_certificates_in_full(made["ed25519"])
host_certificate = host_certificates_in_full(made["ecdsa"])
refused(1964, authorities.delete, made["ed25519"].id)
authorities.delete(made["rsa"].id)

stranger = ngrok.Client("csn_unknown", base_url=base_url)
refused(203, stranger.ssh_user_certificates.list)
refused(202, ngrok.Client("2unknown", base_url=base_url).ssh_user_certificates.list)

for name, text in {
    "user-cert.pub": user_certificate.certificate,
    "host-cert.pub": host_certificate.certificate,
    "user-ca.pub": made["ed25519"].public_key,
    "host-ca.pub": made["ecdsa"].public_key,
}.items():
    (Path(directory) / name).write_text(text + "\n")
