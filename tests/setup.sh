# What tests/run and localstack/up have in common: the toolchain, the Python environment, the Lambda functions.
# To be sourced by bash, in the root of the repository.
# Whoever sources it names itself in "me".
# shellcheck shell=bash

# The Lambda functions: binary NAME of package countersign-NAME lies in functions/NAME.
functions=()
for main in functions/*/src/main.rs; do
    name=${main#functions/}
    functions+=("${name%%/*}")
done

venv=tests/.venv
python=${PYTHON:-python3}

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }
die() { printf '%s: %s\n' "$me" "$1" >&2; exit 1; }

require_compilers() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust (its version: rust-version in Cargo.toml)"
    command -v cc >/dev/null || die "a C compiler is missing (aws-lc needs one): apt-get install build-essential"
    command -v curl >/dev/null || die "curl is missing: apt-get install curl"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        die "$python is missing or older than 3.10: apt-get install python3 python3-venv, or set PYTHON"
    "$python" -c 'import venv, ensurepip' 2>/dev/null || die "$python has no venv module: apt-get install python3-venv"
}

# Made anew only when the requirements or the interpreter changed.
require_venv() {
    local wanted stamp=$venv/made-from
    wanted=$("$python" --version; "$python" -c 'import hashlib, sys
print(hashlib.sha256(b"".join(open(name, "rb").read() for name in sys.argv[1:])).hexdigest())' \
        tests/requirements.txt tests/requirements-alone.txt)
    [[ -x $venv/bin/python && -e $stamp && $(<"$stamp") == "$wanted" ]] && return
    step "Python environment"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # The list is whole, so nothing is left to resolve, which would take minutes.
    "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --no-deps \
        --requirement tests/requirements.txt ||
        die "pip could not install tests/requirements.txt: see above"
    "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --no-deps \
        --requirement tests/requirements-alone.txt || die "pip could not install tests/requirements-alone.txt: see above"
    printf '%s\n' "$wanted" >"$stamp"
}

# Builds every function for this machine, with the profile given, to target/lambda/<name>/bootstrap.zip.
build_functions() {
    step "Lambda functions: ${functions[*]}"
    PATH="$PWD/$venv/bin:$PATH" cargo lambda build --profile "$1" --output-format zip \
        --lambda-dir target/lambda "${functions[@]/#/--package=countersign-}" "${functions[@]/#/--bin=}"
}
