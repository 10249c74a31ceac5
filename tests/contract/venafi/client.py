"""Every SSH method of the unmodified vcert package, against `countersign serve --tls`.

usage: client.py URL TRUST_BUNDLE USERNAME PASSWORD DIRECTORY LOGIN_NAME HOST_KEY

USERNAME and PASSWORD are the client id and the secret of an identity. The templates `users` and `hosts` are there.
What the logins need is left in DIRECTORY: id and id-cert.pub (made locally), service and service-cert.pub (made by the
server), host-cert.pub for the public key in the file HOST_KEY, user-ca.pub and host-ca.pub.
"""

import subprocess
import sys
from pathlib import Path

from vcert import Authentication, SCOPE_SSH, VenafiPlatform, venafi_connection
from vcert.errors import VenafiConnectionError, VenafiError
from vcert.ssh_utils import SSHCATemplateRequest, SSHCertRequest, SSHKeyPair, write_ssh_files

url, trust_bundle, username, password, directory, login_name, host_key_file = sys.argv[1:]
directory = Path(directory)
http = {"verify": trust_bundle, "timeout": 30}
TEMPLATES = "\\VED\\Certificate Authority\\SSH\\Templates\\"


def connect(**credentials):
    return venafi_connection(platform=VenafiPlatform.TPP, url=url, http_request_kwargs=http, **credentials)


def fails(error, call, *arguments):
    try:
        call(*arguments)
    except error as found:
        return str(found)
    raise AssertionError(f"{error} was expected")


def opens(key, passphrase):
    """The public half of a private key file, if the passphrase is right."""
    path = directory / "opened"
    path.touch(mode=0o600)
    path.write_text(key)
    done = subprocess.run(
        ["ssh-keygen", "-y", "-P", passphrase, "-f", str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def logs_in_and_out():
    connector = connect(user=username, password=password)
    token = connector.get_access_token(Authentication(user=username, password=password, scope=SCOPE_SSH))
    assert token.access_token and token.refresh_token and isinstance(token.expires, int), vars(token)
    refreshed = connect(refresh_token=token.refresh_token, access_token=token.access_token).refresh_access_token()
    assert refreshed.access_token != token.access_token
    fails(VenafiError, connect(refresh_token=token.refresh_token, access_token="x").refresh_access_token)
    last = connect(access_token=refreshed.access_token)
    last.revoke_access_token()
    request = SSHCertRequest(cadn="users", key_id="nobody")
    assert "401" in fails(VenafiConnectionError, connect(access_token=refreshed.access_token).request_ssh_cert, request)
    # Without the scope for SSH a token asks for nothing.
    other = connector.get_access_token(Authentication(user=username, password=password))
    assert "403" in fails(VenafiConnectionError, connect(access_token=other.access_token).request_ssh_cert, request)
    wrong = Authentication(user=username, password="wrong", scope=SCOPE_SSH)
    fails(VenafiError, connector.get_access_token, wrong)
    return connector.get_access_token(Authentication(user=username, password=password, scope=SCOPE_SSH)).access_token


def ca_keys(connector):
    """The suites' test_retrieve_ca_public_key, with and without principals."""
    for name in ("users", "hosts"):
        config = connector.retrieve_ssh_config(SSHCATemplateRequest(ca_template=name))
        Path(directory / f"{name[:-1]}-ca.pub").write_text(config.ca_public_key + "\n")
        if name == "users":
            assert config.ca_principals == ["bob", "alice"], config.ca_principals
    # Without credentials there is the key alone.
    config = connect().retrieve_ssh_config(SSHCATemplateRequest(ca_template=TEMPLATES + "users"))
    assert config.ca_public_key == (directory / "user-ca.pub").read_text().strip()
    assert not config.ca_principals
    fails(VenafiError, connector.retrieve_ssh_config, SSHCATemplateRequest(ca_template="none"))


def enrols_a_local_key(connector):
    """The suites' test_enroll_local_generated_keypair."""
    pair = SSHKeyPair()
    pair.generate(key_size=3072)
    request = SSHCertRequest(cadn="users", key_id="local-1", validity_period="4h", source_addresses=["test.com"])
    request.set_public_key_data(pair.public_key())
    assert connector.request_ssh_cert(request) is True
    assert request.pickup_id == "\\VED\\Policy\\ssh\\local-1" and request.guid.startswith("{")
    answer = connector.retrieve_ssh_cert(request)
    assert answer.private_key_data is None
    assert answer.public_key_data == request.get_public_key_data()
    details = answer.certificate_details
    assert details.valid_to - details.valid_from == 14400, vars(details)
    assert details.source_addresses == ["test.com"] and details.principals == ["bob", "alice"]
    assert details.key_id == "local-1"
    # The same for a login, without the address that sshd refuses.
    request = SSHCertRequest(cadn=TEMPLATES + "users", key_id="local 2", principals=[login_name], validity_period="1h")
    request.set_public_key_data(pair.public_key())
    connector.request_ssh_cert(request)
    answer = connector.retrieve_ssh_cert(request)
    write_ssh_files(str(directory), "id", answer.certificate_data, pair.private_key(), pair.public_key())


def enrols_a_service_key(connector):
    """The suites' test_enroll_service_generated_keypair, and what a passphrase does."""
    request = SSHCertRequest(
        cadn="users", key_id="service-1", principals=[login_name], policy_dn="\\VED\\Policy\\team",
        object_name="service object", destination_addresses=["db.example.com"], extensions=None,
    )
    connector.request_ssh_cert(request)
    assert request.pickup_id == "\\VED\\Policy\\team\\service object"
    request.private_key_passphrase = "newPassw0rd!"
    wrapped = connector.retrieve_ssh_cert(request)
    assert opens(wrapped.private_key_data, "wrong") is None and opens(wrapped.private_key_data, "") is None
    public = opens(wrapped.private_key_data, "newPassw0rd!")
    by_guid = SSHCertRequest(cadn="users", key_id="service-1", guid=request.guid)
    by_dn = SSHCertRequest(cadn="users", key_id="service-1", pickup_id=request.pickup_id)
    for one in (by_guid, by_dn):
        plain = connector.retrieve_ssh_cert(one)
        assert plain.certificate_data == wrapped.certificate_data
        assert opens(plain.private_key_data, "") == public == plain.public_key_data
    write_ssh_files(
        str(directory), "service", plain.certificate_data, plain.private_key_data, plain.public_key_data
    )


def enrols_a_host(connector):
    request = SSHCertRequest(cadn="hosts", key_id="host-1", principals=["127.0.0.1", "localhost"])
    request.set_public_key_data(Path(host_key_file).read_text())
    connector.request_ssh_cert(request)
    answer = connector.retrieve_ssh_cert(request)
    assert answer.certificate_details.cert_type == "Host"
    (directory / "host-cert.pub").write_text(answer.certificate_data + "\n")


def is_refused(connector):
    refused = SSHCertRequest(cadn="users", key_id="x", principals=["not allowed"])
    text = fails(VenafiConnectionError, connector.request_ssh_cert, refused)
    assert "400" in text and "Principals" in text, text
    unknown = SSHCertRequest(cadn="users", key_id="x", pickup_id="\\VED\\Policy\\none", timeout=3)
    fails(VenafiError, connector.retrieve_ssh_cert, unknown)


connection = connect(access_token=logs_in_and_out())
ca_keys(connection)
enrols_a_local_key(connection)
enrols_a_service_key(connection)
enrols_a_host(connection)
is_refused(connection)
