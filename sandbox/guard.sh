#!/bin/sh
# Runs one throw-away server for as long as its parent lives: guard.sh HOME COMMAND [ARGUMENT...]
#
# The parent holds the other end of stdin. When that closes, because the parent closed it or died of
# anything (SIGKILL included), the server is killed and its HOME removed. HOME is a directory in
# SANDBOX/servers; the last guard to leave takes SANDBOX along.
#
# Prints "pid N" once the server runs and "exit N" when it ended by itself; its output goes to HOME/log.
home=$1
shift
servers=$(dirname "$home")

exec 3<&0
"$@" </dev/null >"$home/log" 2>&1 3<&- &
server=$!
running=yes
gone=
# With the parent gone nobody reads what we print, and dying of that would leave HOME behind.
trap '' PIPE HUP INT TERM
trap 'gone=yes; [ -z "$running" ] || kill -KILL "$server" 2>/dev/null' USR1
(
  while read -r _ <&3; do :; done
  kill -USR1 $$
) &
watcher=$!
echo "pid $server"

wait "$server"
status=$?
# The wait above ends early when the signal arrives; the server then has been killed and is waited for.
[ -z "$gone" ] || wait "$server"
running=
[ -n "$gone" ] || echo "exit $status"
[ -n "$gone" ] || wait "$watcher"

rm -rf "$home"
rmdir "$servers" 2>/dev/null && rm -rf "$(dirname "$servers")"
exit 0
