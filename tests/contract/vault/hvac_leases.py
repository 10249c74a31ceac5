"""What hvac does with one-time passwords and dynamic keys: the methods of client.secrets.ssh that no CA needs, and the
leases.

Environment: VAULT_ADDR and VAULT_TOKEN, a root token of a server that has an empty `ssh` mount and reaches no hosts.
"""

import os

import hvac
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hvac.exceptions import InternalServerError, InvalidPath, InvalidRequest

root = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])
stranger = hvac.Client(url=os.environ["VAULT_ADDR"])
ssh = root.secrets.ssh


def refused(kind, text, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except kind as error:
        assert type(error) is kind and text in str(error), error
    else:
        raise AssertionError(f"{kind.__name__} expected: {text}")


# One-time passwords: cases 13 to 19.
made = ssh.create_role(
    name="test_role", key_type="otp", default_user="ubuntu", cidr_list="10.0.0.0/8", mount_point="ssh"
)
assert made.status_code == 204
assert ssh.read_role("test_role")["data"] == {
    "allowed_users": "", "cidr_list": "10.0.0.0/8", "default_user": "ubuntu", "exclude_cidr_list": "",
    "key_type": "otp", "port": 22,
}  # fmt: skip
assert ssh.list_roles()["data"] == {
    "keys": ["test_role"],
    "key_info": {"test_role": {"key_type": "otp"}},
}
refused(InvalidPath, "", ssh.list_zeroaddress_roles)
refused(InvalidRequest, "does not belong", ssh.generate_ssh_credentials, "test_role", "ubuntu", "1.2.3.4")
assert ssh.configure_zeroaddress_roles(roles="test_role").status_code == 204
assert ssh.list_zeroaddress_roles()["data"] == {"roles": ["test_role"]}
lent = ssh.generate_ssh_credentials(name="test_role", username="ubuntu", ip="1.2.3.4")
assert lent["data"]["ip"] == "1.2.3.4" and lent["renewable"] is False
assert ssh.list_roles_by_ip(ip="1.2.3.4")["data"]["roles"] == ["test_role"]
right = stranger.secrets.ssh.verify_ssh_otp(otp=lent["data"]["key"])
assert right["data"] == {"ip": "1.2.3.4", "role_name": "test_role", "username": "ubuntu"}
refused(InvalidRequest, "OTP not found", stranger.secrets.ssh.verify_ssh_otp, otp=lent["data"]["key"])

# Leases.
sys = root.sys
lent = ssh.generate_ssh_credentials(name="test_role", username="ubuntu", ip="10.1.2.3")
lease = sys.read_lease(lent["lease_id"])["data"]
assert lease["id"] == lent["lease_id"] and lease["ttl"] <= 2764800
assert len(sys.list_leases("ssh/creds/test_role")["data"]["keys"]) == 2
refused(InvalidRequest, "lease is not renewable", sys.renew_lease, lent["lease_id"])
assert sys.revoke_lease(lent["lease_id"]).status_code == 204
refused(InvalidRequest, "invalid lease", sys.read_lease, lent["lease_id"])
refused(InvalidRequest, "OTP not found", ssh.verify_ssh_otp, otp=lent["data"]["key"])
assert sys.revoke_prefix("ssh/creds/test_role").status_code == 204
refused(InvalidPath, "", sys.list_leases, "ssh")
assert ssh.delete_zeroaddress_role().status_code == 204
assert ssh.delete_role("test_role").status_code == 204
assert ssh.list_roles_by_ip(ip="10.1.2.3")["data"]["roles"] is None

# Dynamic keys, as far as they go without a host.
key = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
assert ssh.create_or_update_key(name="admin", key=key.decode()).status_code == 204
refused(InvalidRequest, "Invalid key", ssh.create_or_update_key, name="admin", key="none")
made = ssh.create_role(
    name="dynamic", key_type="dynamic", key="admin", admin_user="root", default_user="ubuntu",
    cidr_list="10.0.0.0/8",
)  # fmt: skip
assert any("host_key" in warning for warning in made["warnings"])
assert any("1024" in warning for warning in made["warnings"])
role = ssh.read_role("dynamic")["data"]
assert (role["key"], role["admin_user"], role["key_bits"], role["port"]) == ("admin", "root", 2048, 22)
refused(InvalidRequest, "host_key", ssh.generate_ssh_credentials, "dynamic", "ubuntu", "10.1.2.3")
root.write_data("ssh/roles/dynamic", data={**role, "accept_any_host_key": True})
refused(InternalServerError, "cannot be reached", ssh.generate_ssh_credentials, "dynamic", "ubuntu", "10.1.2.3")
assert ssh.delete_role("dynamic").status_code == 204
assert ssh.delete_key(name="admin").status_code == 204
print("hvac: passwords, keys and leases")
