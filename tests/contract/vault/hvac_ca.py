"""The life of a CA as hvac sees it, and what hvac's users do with tokens, policies and AppRoles beside it.

Environment: VAULT_ADDR and VAULT_TOKEN, a root token of a server that has an `ssh` mount without a key.
"""

import contextlib
import os

import hvac
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateType,
    load_ssh_public_identity,
)
from hvac.exceptions import Forbidden, InternalServerError, InvalidPath, InvalidRequest

ADDRESS = os.environ["VAULT_ADDR"]
ROOT = os.environ["VAULT_TOKEN"]

ROLE_MEMBERS = {
    "algorithm_signer", "allow_bare_domains", "allow_empty_principals", "allow_host_certificates",
    "allow_subdomains", "allow_user_certificates", "allow_user_key_ids", "allowed_critical_options",
    "allowed_domains", "allowed_domains_template", "allowed_extensions", "allowed_user_key_lengths",
    "allowed_users", "allowed_users_template", "default_critical_options", "default_extensions",
    "default_extensions_template", "default_user", "default_user_template", "key_id_format", "key_type",
    "max_ttl", "not_before_duration", "ttl",
}  # fmt: skip


def client(token=ROOT, **options):
    return hvac.Client(url=ADDRESS, token=token, **options)


root = client()
ssh = root.secrets.ssh
approle = root.auth.approle


@contextlib.contextmanager
def refused(kind, text=None):
    """What is inside raises `kind`; the error that the caller sees names `text`."""
    try:
        yield
    except kind as error:
        # hvac's exceptions are a family: none of them may pass for its sister.
        assert type(error) is kind, f"{type(error).__name__}: {error}"
        assert text is None or text in str(error), f"{text!r} is not in {error}"
    else:
        raise AssertionError(f"{kind.__name__} expected: {text}")


def new_key():
    """A private key in OpenSSH's form, and its public line."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), public.decode()


SUBJECT = new_key()[1]


def certificate(answer):
    """The certificate in an answer, its signature checked."""
    parsed = load_ssh_public_identity(answer["data"]["signed_key"].encode())
    parsed.verify_cert_signature()
    assert answer["data"]["serial_number"] == f"{parsed.serial:x}"
    assert answer["lease_id"] == "" and answer["lease_duration"] == 0
    return parsed


def same_key(parsed, line):
    encoded = parsed.signature_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return encoded.decode().split()[:2] == line.split()[:2]


def who_is_there():
    assert root.is_authenticated()
    assert not client(token="nobody's").is_authenticated()
    assert not client(token="").is_authenticated()
    assert root.sys.read_health_status().status_code == 200
    health = root.sys.read_health_status(method="GET")
    assert health["initialized"] and not health["sealed"] and not health["standby"]
    assert root.sys.is_initialized() and not root.sys.is_sealed()
    assert root.sys.read_seal_status()["version"].startswith("1.")
    assert root.sys.read_leader_status()["ha_enabled"] is False


def mounts():
    root.sys.enable_secrets_engine("ssh", path="hosts/ssh", description="for hosts")
    listed = root.sys.list_mounted_secrets_engines()
    assert listed["data"]["hosts/ssh/"]["type"] == "ssh"
    assert listed["hosts/ssh/"]["description"] == "for hosts"
    with refused(InvalidRequest, "path is already in use at hosts/ssh/"):
        root.sys.enable_secrets_engine("ssh", path="hosts/ssh")
    root.sys.tune_mount_configuration("hosts/ssh", max_lease_ttl="87600h", description="hosts")
    tuning = root.sys.read_mount_configuration("hosts/ssh")["data"]
    assert (tuning["max_lease_ttl"], tuning["description"]) == (87600 * 3600, "hosts")
    root.sys.move_backend("hosts/ssh", "machines")
    assert "machines/" in root.sys.list_mounted_secrets_engines()["data"]
    root.sys.disable_secrets_engine("machines")
    with refused(InvalidPath, "no handler for route"):
        ssh.read_role("r", mount_point="machines")


def ca_keys():
    with refused(InvalidRequest, "keys haven't been configured yet"):
        ssh.read_public_key()
    for key_type, key_bits, word in [
        ("ssh-rsa", 2048, "ssh-rsa"),
        ("rsa", 3072, "ssh-rsa"),
        ("ec", 0, "ecdsa-sha2-nistp256"),
        ("ec", 521, "ecdsa-sha2-nistp521"),
        ("ecdsa-sha2-nistp256", 0, "ecdsa-sha2-nistp256"),
        ("ecdsa-sha2-nistp384", 0, "ecdsa-sha2-nistp384"),
        ("ecdsa-sha2-nistp521", 0, "ecdsa-sha2-nistp521"),
        ("ed25519", 0, "ssh-ed25519"),
        ("ssh-ed25519", 0, "ssh-ed25519"),
    ]:
        made = ssh.submit_ca_information(key_type=key_type, key_bits=key_bits)
        line = made["data"]["public_key"]
        assert line.startswith(f"{word} ") and line.endswith("\n"), line
        assert ssh.read_public_key()["data"]["public_key"] == line
        with refused(InvalidRequest, "keys are already configured"):
            ssh.submit_ca_information(key_type="ed25519")
        assert ssh.delete_ca_information().status_code == 204
    with refused(InternalServerError, "unknown ssh key pair algorithm: dsa"):
        ssh.submit_ca_information(key_type="dsa")

    private, public = new_key()
    public += " ca@example.com"
    with refused(InvalidRequest, "only one of public_key and private_key set"):
        # hvac cannot leave the field out, its users can.
        root.write_data("ssh/config/ca", data={"private_key": private})
    with refused(InvalidRequest, "Unable to parse private_key as an SSH private key"):
        ssh.submit_ca_information(private_key="x", public_key=public, generate_signing_key=False)
    imported = ssh.submit_ca_information(
        private_key=private, public_key=public, generate_signing_key=False
    )
    assert imported.status_code == 204
    assert ssh.read_public_key()["data"]["public_key"] == public
    # Relying parties fetch it without a token.
    assert client(token="").adapter.get("/v1/ssh/public_key").text == public
    return public


def roles():
    fields = {
        "key_type": "ca",
        "allow_user_certificates": True,
        "allowed_users": "ubuntu,deploy",
        "default_user": "ubuntu",
        "ttl": "30m",
        "max_ttl": "1h",
        "allowed_extensions": "permit-pty,permit-port-forwarding",
        "default_extensions": {"permit-pty": ""},
        "allowed_critical_options": "force-command",
        "allowed_user_key_lengths": {"rsa": [2048, 4096], "ed25519": 0},
    }
    assert ssh.create_role(name="web", **fields).status_code == 204
    role = ssh.read_role("web")["data"]
    assert ROLE_MEMBERS <= role.keys(), ROLE_MEMBERS - role.keys()
    for name, value in {
        **fields,
        "ttl": 1800,
        "max_ttl": 3600,
        "allowed_user_key_lengths": {"rsa": [2048, 4096], "ed25519": [0]},
        "allow_host_certificates": False,
        "allow_user_key_ids": False,
        "algorithm_signer": "default",
        "not_before_duration": 30,
        "default_critical_options": {},
    }.items():
        assert role[name] == value, (name, role[name])
    ssh.create_role(
        name="host",
        key_type="ca",
        allow_host_certificates=True,
        allowed_domains="example.com",
        allow_subdomains=True,
    )
    for lister in (ssh, client(strict_http=True).secrets.ssh):
        listed = lister.list_roles()["data"]
        assert listed["keys"] == ["host", "web"]
        assert listed["key_info"]["web"]["key_type"] == "ca"
    with refused(InvalidRequest, "missing key type"):
        ssh.create_role(name="bad", allow_user_certificates=True)
    with refused(InvalidRequest, "Either 'allow_user_certificates' or 'allow_host_certificates'"):
        ssh.create_role(name="bad", key_type="ca")
    with refused(InvalidRequest, "must be less than"):
        ssh.create_role(name="bad", **{**fields, "ttl": "2h"})
    with refused(InvalidPath):
        ssh.read_role("bad")


def signing(ca):
    # hvac sends what it was not given as empty: then the role's default counts, or nobody is meant.
    assert certificate(ssh.sign_ssh_key("web", SUBJECT)).valid_principals == [b"ubuntu"]
    with refused(InvalidRequest, "empty valid principals not allowed by role"):
        ssh.sign_ssh_key("host", SUBJECT, cert_type="host")
    signed = certificate(ssh.sign_ssh_key("web", SUBJECT, valid_principals="deploy,ubuntu"))
    assert same_key(signed, ca)
    assert signed.type == SSHCertificateType.USER
    assert signed.valid_principals == [b"deploy", b"ubuntu"]
    assert signed.extensions == {b"permit-pty": b""}
    assert signed.critical_options == {}
    # The token's display name: of the first root token, or of one that an operator made.
    assert signed.key_id.startswith((b"vault-root-", b"vault-token-")), signed.key_id
    # hvac's empty ttl is none: the role's stands.
    assert signed.valid_before - signed.valid_after == 1800 + 30
    chosen = certificate(
        ssh.sign_ssh_key(
            "web",
            SUBJECT,
            ttl="10m",
            valid_principals="deploy",
            critical_options={"force-command": "/bin/true"},
            extensions={"permit-port-forwarding": ""},
        )
    )
    assert chosen.valid_before - chosen.valid_after == 600 + 30
    assert chosen.critical_options == {b"force-command": b"/bin/true"}
    assert chosen.extensions == {b"permit-port-forwarding": b""}
    assert chosen.serial != signed.serial
    host = certificate(
        ssh.sign_ssh_key("host", SUBJECT, valid_principals="a.example.com", cert_type="host")
    )
    assert host.type == SSHCertificateType.HOST and host.valid_principals == [b"a.example.com"]

    generated = root.write_data("ssh/issue/web", data={"key_type": "ed25519", "valid_principals": "deploy"})
    private = serialization.load_ssh_private_key(generated["data"]["private_key"].encode(), None)
    issued = certificate(generated)
    raw = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert private.public_key().public_bytes(*raw) == issued.public_key().public_bytes(*raw)

    for text, role, arguments in [
        ("eve is not a valid value for valid_principals", "web", {"valid_principals": "eve"}),
        ("setting key_id is not allowed by role", "web", {"valid_principals": "deploy", "key_id": "x"}),
        ("cert_type 'host' is not allowed by role", "web", {"cert_type": "host"}),
        ("cert_type must be either 'user' or 'host'", "web", {"cert_type": "robot"}),
        ("[permit-X11-forwarding] are not on allowed list", "web",
         {"valid_principals": "deploy", "extensions": {"permit-X11-forwarding": ""}}),
        ("evil.org is not a valid value", "host", {"cert_type": "host", "valid_principals": "evil.org"}),
        ("Unknown role: none", "none", {"valid_principals": "deploy"}),
    ]:  # fmt: skip
        with refused(InvalidRequest, text):
            ssh.sign_ssh_key(role, SUBJECT, **arguments)
    for key in ("", "hello", "ssh-ed25519 AAAA"):
        with refused(InvalidRequest, "public_key"):
            ssh.sign_ssh_key("web", key, valid_principals="deploy")


def tokens():
    create = root.auth.token.create
    made = create(policies=["signer"], ttl="1h", display_name="ci", meta={"job": "7"})["auth"]
    assert made["policies"] == ["default", "signer"]
    assert made["lease_duration"] == 3600 and made["renewable"] is True
    ci = client(made["client_token"])
    found = ci.auth.token.lookup_self()["data"]
    assert found["display_name"] == "token-ci" and found["meta"] == {"job": "7"}
    assert found["path"] == "auth/token/create" and 0 < found["ttl"] <= 3600
    by_accessor = root.auth.token.lookup_accessor(made["accessor"])["data"]
    assert by_accessor["id"] == "" and by_accessor["accessor"] == made["accessor"]
    assert root.auth.token.lookup(made["client_token"])["data"]["id"] == made["client_token"]
    assert made["accessor"] in root.auth.token.list_accessors()["data"]["keys"]
    assert ci.auth.token.renew_self(increment="30m")["auth"]["client_token"] == made["client_token"]
    assert root.auth.token.renew(made["client_token"])["auth"]["accessor"] == made["accessor"]
    assert root.auth.token.renew_accessor(made["accessor"])["auth"]["client_token"] == ""

    # It may sign and nothing else.
    assert certificate(ci.secrets.ssh.sign_ssh_key("web", SUBJECT, valid_principals="deploy")).key_id.startswith(
        b"vault-token-ci-"
    )
    for forbidden in (
        lambda: ci.secrets.ssh.read_role("web"),
        lambda: ci.secrets.ssh.list_roles(),
        lambda: ci.secrets.ssh.delete_ca_information(),
        lambda: ci.secrets.ssh.read_role("r", mount_point="nowhere"),
        lambda: ci.auth.token.create(),
        lambda: ci.sys.list_policies(),
        lambda: client("nobody's").secrets.ssh.read_role("web"),
        lambda: client("").secrets.ssh.read_role("web"),
    ):
        with refused(Forbidden, "permission denied"):
            forbidden()
    path = "ssh/sign/web"
    assert ci.sys.get_capabilities([path])["data"][path] == ["update"]

    # Children end with their parent, orphans do not.
    parent = create(policies=["root"], ttl="1h")["auth"]["client_token"]
    child = client(parent).auth.token.create(ttl="1h")["auth"]["client_token"]
    orphan = client(parent).auth.token.create_orphan(ttl="1h")["auth"]["client_token"]
    root.auth.token.revoke(parent)
    assert not client(parent).is_authenticated()
    assert not client(child).is_authenticated()
    assert client(orphan).is_authenticated()
    client(orphan).auth.token.revoke_self()
    assert not client(orphan).is_authenticated()
    root.auth.token.revoke_accessor(made["accessor"])
    assert not ci.is_authenticated()
    with refused(Forbidden):
        ci.auth.token.renew_self()
    fixed = create(policies=["signer"], ttl="1h", renewable=False, explicit_max_ttl="30m")["auth"]
    assert fixed["lease_duration"] == 1800 and fixed["renewable"] is False
    with refused(InvalidRequest, "lease is not renewable"):
        root.auth.token.renew(fixed["client_token"])
    once = client(create(policies=["signer"], num_uses=1)["auth"]["client_token"])
    assert once.is_authenticated() and not once.is_authenticated()


def policies():
    text = 'path "ssh/sign/web" {\n  capabilities = ["update"]\n}\n'
    root.sys.create_or_update_policy("signer", text)
    assert root.sys.read_policy("signer")["data"]["rules"] == text
    assert {"default", "root", "signer"} <= set(root.sys.list_policies()["data"]["policies"])
    # As JSON, and through the newer path.
    rules = {"path": {"ssh/roles/*": {"capabilities": ["read"]}}}
    root.sys.create_or_update_acl_policy("reader", rules)
    assert '"ssh/roles/*"' in root.sys.read_acl_policy("reader")["data"]["policy"]
    assert "reader" in root.sys.list_acl_policies()["data"]["keys"]
    root.sys.delete_acl_policy("reader")
    with refused(InvalidPath):
        root.sys.read_acl_policy("reader")
    with refused(InvalidRequest):
        root.sys.create_or_update_policy("bad", 'path "x" { capabilities = ["fly"] }')
    with refused(InvalidRequest):
        root.sys.delete_policy("root")


def approles():
    root.sys.enable_auth_method("approle")
    assert root.sys.list_auth_methods()["data"]["approle/"]["type"] == "approle"
    approle.create_or_update_approle(
        "ci", token_policies=["signer"], token_ttl="20m", token_max_ttl="1h", secret_id_num_uses=3
    )
    assert approle.list_roles()["data"]["keys"] == ["ci"]
    role = approle.read_role("ci")["data"]
    assert role["token_policies"] == ["signer"] and role["token_ttl"] == 1200
    assert role["token_max_ttl"] == 3600 and role["bind_secret_id"] is True
    role_id = approle.read_role_id("ci")["data"]["role_id"]
    drawn = approle.generate_secret_id("ci", metadata={"job": "7"})["data"]
    secret_id, accessor = drawn["secret_id"], drawn["secret_id_accessor"]
    assert drawn["secret_id_num_uses"] == 3

    machine = client(token="")
    auth = machine.auth.approle.login(role_id, secret_id)["auth"]
    assert auth["policies"] == ["default", "signer"] and auth["lease_duration"] == 1200
    assert auth["metadata"]["role_name"] == "ci"
    # hvac has taken the token, and it signs.
    assert machine.is_authenticated()
    signed = certificate(machine.secrets.ssh.sign_ssh_key("web", SUBJECT, valid_principals="deploy"))
    assert signed.key_id.startswith(b"vault-approle-")
    with refused(Forbidden, "permission denied"):
        machine.secrets.ssh.read_role("web")

    assert approle.read_secret_id("ci", secret_id)["data"]["secret_id_num_uses"] == 2
    assert approle.read_secret_id_accessor("ci", accessor)["data"]["metadata"] == {"job": "7"}
    assert approle.list_secret_id_accessors("ci")["data"]["keys"] == [accessor]
    for wrong in ((role_id, "wrong"), ("wrong", secret_id)):
        with refused(InvalidRequest, "invalid role or secret ID"):
            client("").auth.approle.login(*wrong)
    for _ in range(2):
        client("").auth.approle.login(role_id, secret_id)
    with refused(InvalidRequest, "invalid role or secret ID"):
        client("").auth.approle.login(role_id, secret_id)

    approle.create_custom_secret_id("ci", "chosen-by-hand", metadata={})
    approle.update_role_id("ci", "the-ci-role")
    assert approle.read_role_id("ci")["data"]["role_id"] == "the-ci-role"
    assert client("").auth.approle.login("the-ci-role", "chosen-by-hand")["auth"]["client_token"]
    approle.destroy_secret_id("ci", "chosen-by-hand")
    with refused(InvalidRequest, "invalid role or secret ID"):
        client("").auth.approle.login("the-ci-role", "chosen-by-hand")
    last = approle.generate_secret_id("ci")["data"]
    approle.destroy_secret_id_accessor("ci", last["secret_id_accessor"])
    with refused(InvalidRequest, "invalid role or secret ID"):
        client("").auth.approle.login("the-ci-role", last["secret_id"])
    approle.delete_role("ci")
    with refused(InvalidPath):
        approle.read_role("ci")
    root.sys.disable_auth_method("approle")
    # What was logged in through it is logged out.
    assert not machine.is_authenticated()


def people():
    """Users with passwords, and the entities behind them."""
    root.sys.enable_auth_method("userpass")
    users, identity = root.auth.userpass, root.secrets.identity
    users.create_or_update_user("bob", password="hunter2", policies="signer")
    assert users.list_user()["data"]["keys"] == ["bob"]
    assert users.read_user("bob")["data"]["token_policies"] == ["signer"]
    bob = client(token="")
    with refused(InvalidRequest, "invalid username or password"):
        bob.auth.userpass.login("bob", "wrong")
    auth = bob.auth.userpass.login("bob", "hunter2")["auth"]
    signed = certificate(bob.secrets.ssh.sign_ssh_key("web", SUBJECT, valid_principals="deploy"))
    assert signed.key_id.startswith(b"vault-userpass-bob-")

    entity = identity.read_entity(auth["entity_id"])["data"]
    assert entity["aliases"][0]["name"] == "bob"
    identity.update_entity(auth["entity_id"], name="robert", metadata={"login": "rob"})
    assert identity.read_entity_by_name("robert")["data"]["metadata"] == {"login": "rob"}
    assert "robert" in identity.list_entities_by_name()["data"]["keys"]
    assert identity.lookup_entity(name="robert")["data"]["id"] == auth["entity_id"]
    root.write(
        "ssh/roles/own", key_type="ca", allow_user_certificates=True, default_user="{{identity.entity.metadata.login}}",
        default_user_template=True, allowed_users="{{identity.entity.metadata.login}}", allowed_users_template=True,
    )  # fmt: skip
    root.sys.create_or_update_policy("own", 'path "ssh/sign/own" { capabilities = ["update"] }')
    identity.update_entity(auth["entity_id"], policies=["own"])
    assert certificate(bob.secrets.ssh.sign_ssh_key("own", SUBJECT)).valid_principals == [b"rob"]
    root.delete("ssh/roles/own")

    mount = root.sys.list_auth_methods()["data"]["userpass/"]["accessor"]
    alice = identity.create_or_update_entity("alice")["data"]["id"]
    alias = identity.create_or_update_entity_alias("alice@corp", alice, mount)["data"]["id"]
    assert identity.read_entity_alias(alias)["data"]["canonical_id"] == alice
    assert alias in identity.list_entity_aliases()["data"]["keys"]
    identity.delete_entity_alias(alias)
    identity.delete_entity(alice)
    users.update_password_on_user("bob", "hunter3")
    users.delete_user("bob")
    root.sys.disable_auth_method("userpass")
    assert not bob.is_authenticated()


def wrapping():
    """An answer that is given once, to whoever has the token for it."""
    made = root.auth.token.create(policies=["signer"], wrap_ttl="60s")
    token = made["wrap_info"]["token"]
    assert made["auth"] is None
    child = client(root.sys.unwrap(token)["auth"]["client_token"])
    assert child.is_authenticated()
    with refused(InvalidRequest, "wrapping token is not valid or does not exist"):
        root.sys.unwrap(token)
    token = root.sys.wrap({"zip": "zap"}, ttl=60)["wrap_info"]["token"]
    # hvac takes the wrapping token for its own where it is given none.
    assert client(token).sys.unwrap()["data"] == {"zip": "zap"}


def issuers():
    """A CA that rotates with overlap."""
    first = root.read("ssh/config/issuers")["data"]["default"]
    second = root.write("ssh/issuers/import/second", key_type="ed25519")["data"]
    assert sorted(root.list("ssh/issuers")["data"]["keys"]) == sorted([first, second["issuer_id"]])
    root.write("ssh/config/issuers", default="second")
    assert ssh.read_public_key()["data"]["public_key"] == second["public_key"]
    root.write("ssh/config/issuers", default=first)
    root.delete("ssh/issuer/second")


def end():
    for name in ("web", "host", "web"):
        assert ssh.delete_role(name).status_code == 204
    with refused(InvalidPath):
        ssh.list_roles()
    assert ssh.delete_ca_information().status_code == 204
    with refused(InvalidRequest, "keys haven't been configured yet"):
        ssh.read_public_key()


who_is_there()
mounts()
ca = ca_keys()
roles()
policies()
signing(ca)
tokens()
approles()
people()
wrapping()
issuers()
end()
print("hvac", getattr(hvac, "__version__", ""), "has lived the life of a CA")
