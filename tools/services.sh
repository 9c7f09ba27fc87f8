#!/bin/sh
# Makes sure that redis-server and haproxy are on this machine: the tests of many nodes run both as plain processes.
# Debian starts what it installs; here neither is wanted as a service.
set -eu
PATH="$PATH:/usr/sbin:/usr/local/sbin"
missing=""
for name in redis-server haproxy; do
  command -v "$name" >/dev/null 2>&1 || missing="$missing $name"
done
if [ -z "$missing" ]; then exit 0; fi
if command -v apt-get >/dev/null 2>&1; then
  echo "Installing for the tests of many nodes, once:$missing"
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
echo "Missing here, and no apt-get to install it:$missing. Redis 7 and HAProxy 2.6 or newer are needed on the path." >&2
exit 1
