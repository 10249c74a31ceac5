#!/usr/bin/env bash
# Makes the golden vectors anew: certificates by ssh-keygen, and index.json, which says what each one holds.
#
# keys/ holds test keys, private halves included: they are public, protect nothing, and must never be trusted anywhere.
# A key that is there is kept, so that a new run changes certificates (nonces, signatures) but never fingerprints.
# Needs ssh-keygen (OpenSSH 8.9 or later), Python 3 and basenc.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p keys

make_key() { # name, ssh-keygen's -t and -b
    [[ -e keys/$1 ]] || ssh-keygen -q -N '' -C "$1, test only" -f "keys/$1" "${@:2}"
    chmod 600 "keys/$1"
}

# A FIDO key without hardware: the public half of an ordinary key, under the FIDO type and with an application.
make_sk_key() { # name, ordinary key, application
    [[ -e keys/$1.pub ]] || ./describe.py sk-key "keys/$2.pub" "$3" "$1, test only" >"keys/$1.pub"
}

make_keys() {
    local name
    for name in ca subject; do
        make_key ${name}_ed25519 -t ed25519
        make_key ${name}_ecdsa_p256 -t ecdsa -b 256
        make_key ${name}_ecdsa_p384 -t ecdsa -b 384
        make_key ${name}_ecdsa_p521 -t ecdsa -b 521
        make_key ${name}_rsa_2048 -t rsa -b 2048
    done
    make_key subject_rsa_3072 -t rsa -b 3072
    make_key subject_rsa_4096 -t rsa -b 4096
    make_sk_key subject_sk_ed25519 subject_ed25519 ssh:
    make_sk_key subject_sk_ecdsa_p256 subject_ecdsa_p256 ssh:
    make_sk_key subject_sk_ed25519_app subject_ed25519 ssh:countersign.example
}

# Certificate name, CA, subject, then ssh-keygen's own options. Its output is always named after the subject.
certify() {
    local name=$1 ca=$2 subject=$3
    shift 3
    ssh-keygen -q -s "keys/$ca" "$@" "keys/$subject.pub"
    mv "keys/$subject-cert.pub" "$name-cert.pub"
    entries+=("$name $ca $subject")
}

subjects=(rsa_2048 rsa_3072 rsa_4096 ecdsa_p256 ecdsa_p384 ecdsa_p521 ed25519 sk_ed25519 sk_ecdsa_p256)
day=20240229000000Z:20240301000000Z

each_subject() {
    local subject serial=1
    for subject in "${subjects[@]}"; do
        certify "user_$subject" ca_ed25519 "subject_$subject" -I "alice@$subject" -n alice -z $((serial++)) -V $day
        certify "host_$subject" ca_ed25519 "subject_$subject" -h -I "host $subject" -z $((serial++)) -V $day \
            -n "$subject.example.com,192.0.2.7"
    done
}

# The same for a CA of each algorithm; RSA signs with either hash.
each_ca() {
    local ca type
    for ca in ecdsa_p256 ecdsa_p384 ecdsa_p521 rsa_2048:rsa-sha2-256 rsa_2048:rsa-sha2-512; do
        type=()
        [[ $ca != *:* ]] || type=(-t "${ca#*:}")
        certify "user_by_${ca/:/_}" "ca_${ca%:*}" subject_ed25519 "${type[@]}" -I "by $ca" -n alice,bob -z 42 -V $day
        certify "host_by_${ca/:/_}" "ca_${ca%:*}" subject_ed25519 "${type[@]}" -h -I "by $ca" -n db.example.com -V $day
    done
}

options() {
    local ed=(ca_ed25519 subject_ed25519) user=(-n alice -z 100 -V "$day")
    certify options_none "${ed[@]}" -I none "${user[@]}" -O clear
    certify options_force_command "${ed[@]}" -I force-command "${user[@]}" -O "force-command=/usr/bin/rsync --server 'a b'"
    certify options_source_address "${ed[@]}" -I source-address "${user[@]}" -O source-address=192.0.2.0/24,2001:db8::/32
    certify options_all_critical "${ed[@]}" -I all-critical "${user[@]}" -O clear -O force-command=id \
        -O source-address=127.0.0.1 -O verify-required
    certify options_all_extensions "${ed[@]}" -I all-extensions "${user[@]}" -O no-touch-required
    certify options_pty_only "${ed[@]}" -I pty-only "${user[@]}" -O clear -O permit-pty
    certify options_unknown_extension "${ed[@]}" -I unknown-extension "${user[@]}" \
        -O extension:login@github.com=octocat -O extension:flag@example.com
    certify options_unknown_critical "${ed[@]}" -I unknown-critical "${user[@]}" -O critical:limit@example.com=3
    certify options_sk_verify_required ca_ed25519 subject_sk_ed25519 -I verify "${user[@]}" -O verify-required
    certify options_sk_no_touch ca_ecdsa_p256 subject_sk_ecdsa_p256 -I no-touch "${user[@]}" -O no-touch-required
    certify options_sk_application ca_ed25519 subject_sk_ed25519_app -I application "${user[@]}"
}

fields() {
    local ed=(ca_ed25519 subject_ed25519) names
    names=$(seq -s, -f 'user%03.0f' 256)
    certify principals_2 "${ed[@]}" -I two -n zoe,alice -z 2 -V $day
    certify principals_256 "${ed[@]}" -I many -n "$names" -z 256 -V $day
    certify principals_unicode "${ed[@]}" -I names -n 'zoë,Ω,a b' -V $day
    certify key_id_unicode "${ed[@]}" -I 'ключ 鍵 🔑 "quoted" \ ' -n alice -V $day
    certify key_id_1024 "${ed[@]}" -I "$(printf 'k%.0s' {1..1024})" -n alice -V $day
    certify serial_0 "${ed[@]}" -I zero -n alice -V $day
    certify serial_max "${ed[@]}" -I max -n alice -z 18446744073709551615 -V $day
    certify validity_forever "${ed[@]}" -I forever -n alice -V always:forever
    certify validity_until "${ed[@]}" -I until -n alice -V always:20380119031408Z
    certify validity_from "${ed[@]}" -I from -n alice -V 20380119031408Z:forever
    certify validity_one_second "${ed[@]}" -I second -n alice -V 0x6553f100:0x6553f101
}

# A certificate put together by hand from fixed seeds and a fixed nonce: kept as it is.
golden() {
    entries+=("golden golden_ca golden_subject")
}

entries=()
rm -f ./*_*-cert.pub
make_keys
each_subject
each_ca
options
fields
golden
printf '%s\n' "${entries[@]}" | ./describe.py index >index.json
printf '%s certificates\n' "${#entries[@]}"
