#!/bin/sh
# Makes sure that redis-server, haproxy, baresip and sipp are on this machine: the tests run them as plain processes, the
# first two for many nodes, the others as callers by SIP. Debian starts what it installs; here none is wanted as a service.
set -eu
PATH="$PATH:/usr/sbin:/usr/local/sbin"
missing=""
for name in redis-server haproxy baresip-core:baresip sip-tester:sipp; do # package, or package:command
  command -v "${name#*:}" >/dev/null 2>&1 || missing="$missing ${name%:*}"
done
if [ -z "$missing" ]; then exit 0; fi
if command -v apt-get >/dev/null 2>&1; then
  echo "Installing for the tests, once:$missing"
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  # policy-rc.d: the packages' services are not started.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
    trap '$sudo rm -f "$policy"' EXIT
  fi
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
  exit 0
fi
echo "Missing here, and no apt-get to install it:$missing. Redis 7, HAProxy 2.6, baresip and sipp, or newer, are needed on the path." >&2
exit 1
