# What localstack/up leaves running, and where it notes that: one directory, which git ignores.
# To be sourced by bash, in the root of the repository.
# shellcheck shell=bash

state=${COUNTERSIGN_LOCALSTACK_STATE:-$PWD/localstack/.state} # an absolute path

# When a process began: with its id, it names one process for good.
began() { ps -o lstart= -p "$1" 2>/dev/null; }

# start NAME COMMAND...: leaves a server running, in a process group of its own, with no pipe of ours in its hands.
start() {
    local name=$1 pid
    shift
    set -m
    nohup "$@" </dev/null >"$state/$name.log" 2>&1 3>&- &
    pid=$!
    set +m
    disown "$pid"
    printf '%s\n%s\n' "$pid" "$(began "$pid")" >"$state/$name.pid"
}

# The process id of the server NAME, where it still is the process that was started.
running() {
    local pid since
    [[ -e $state/$1.pid ]] || return 1
    { read -r pid; read -r since; } <"$state/$1.pid"
    # shellcheck disable=SC2046 # words, as they were read
    [[ -n $since && "$(echo $(began "$pid"))" == "$(echo $since)" ]] && printf '%s' "$pid"
}

# stop NAME: ends the server with all that it started.
stop() {
    local pid
    if pid=$(running "$1"); then
        kill -TERM -- "-$pid" 2>/dev/null || true
        for _ in {1..100}; do
            running "$1" >/dev/null || break
            sleep 0.1
        done
        # What did not listen, or was left behind.
        kill -KILL -- "-$pid" 2>/dev/null || true
    fi
    rm -f "$state/$1.pid"
}
