# A certificate authority, and a role that lets you log in as yourself.
cd "$(mktemp -d)" && ask() { curl -sS --noproxy '*' -H "X-Vault-Token: $VAULT_TOKEN" "$VAULT_ADDR/v1/$@"; }
ask ssh/config/ca -d '{"generate_signing_key": true, "key_type": "ed25519"}'
ask ssh/roles/me -d '{"key_type": "ca", "allow_user_certificates": true, "ttl": "30m",
  "allowed_users": "'"$(id -un)"'", "default_user": "'"$(id -un)"'", "default_extensions": {"permit-pty": ""}}'

# A new key, and its certificate.
ssh-keygen -q -t ed25519 -N '' -C '' -f key
ask ssh/sign/me -d '{"public_key": "'"$(cat key.pub)"'"}' | grep -o 'ssh-ed25519-cert[^"\\]*' > key-cert.pub
ssh-keygen -L -f key-cert.pub

# An sshd on loopback that trusts the authority and knows no other way in, and a login.
ask ssh/public_key > trusted_ca.pub && ssh-keygen -q -t ed25519 -N '' -C '' -f host_key
sshd=$(PATH=$PATH:/usr/sbin:/sbin; command -v sshd) port=$((20000 + RANDOM % 10000)); mkdir -p /run/sshd 2>/dev/null
"$sshd" -f /dev/null -p "$port" -h "$PWD/host_key" -o ListenAddress=127.0.0.1 -o PidFile="$PWD/sshd.pid" \
  -o TrustedUserCAKeys="$PWD/trusted_ca.pub" -o AuthorizedKeysFile=none -o PasswordAuthentication=no
ssh -n -F /dev/null -p "$port" -i key -o ConnectionAttempts=5 -o StrictHostKeyChecking=accept-new \
  -o UserKnownHostsFile=known_hosts -o LogLevel=ERROR "$(id -un)@127.0.0.1" 'echo "Logged in as $(id -un), by certificate."'
kill "$(cat sshd.pid)"
