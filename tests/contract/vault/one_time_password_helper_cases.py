"""Cases 43 to 53 of the reference, of our own equivalent of vault-ssh-helper.

Environment: VAULT_ADDR.
"""

import os

from one_time_password_helper import (
    Refused,
    ask,
    configuration,
    is_ours,
    one_time_password,
    tls,
)


def refusal(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except (Refused, ValueError) as reason:
        return str(reason)
    raise AssertionError("it was not refused")


settings = configuration(f'vault_addr = "{os.environ["VAULT_ADDR"]}"')
# 43, 44
for text in ["verify-echo-request", "non-uuid-input"]:
    assert refusal(one_time_password, text) == "uuid string is wrong length"
# 45
unknown = one_time_password("00000000-0000-0000-0000-000000000000\0")
assert "OTP not found" in refusal(ask, settings, unknown, dev=True)
assert "for -dev" in refusal(ask, settings, unknown)
# 46 to 49
assert is_ours("10.50.100.101", ["10.50.100.101/24"], "")
assert is_ours("10.50.100.102", ["10.50.100.101/24"], "10.50.100.0/24")
assert not is_ours("10.50.100.102", ["10.50.100.101/24"], "")
assert is_ours("203.0.113.9", [], "0.0.0.0/0")
assert not is_ours("10.1.1.1", [], "192.168.0.1/16")
refusal(is_ours, "10.1.1.1", [], "invalid")
# 50 to 52
assert settings["ssh_mount_point"] == "ssh"
assert refusal(configuration, "") == 'missing config "vault_addr"'
assert refusal(configuration, 'vault_addr = "a"\n\nnope = "b"\n') == 'invalid key "nope" on line 3'
# 53
assert tls({"tls_skip_verify": "true"}).check_hostname is False
print("cases 43 to 53")
