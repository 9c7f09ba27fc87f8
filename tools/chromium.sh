#!/bin/sh
# Makes sure a Chromium is on this machine. The browser tests look for these names, or $BARGEIN_CHROMIUM.
set -eu
for name in "${BARGEIN_CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if command -v apt-get >/dev/null 2>&1; then
  echo "Installing Chromium for the browser tests, once"
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends chromium
  exit 0
fi
echo "No Chromium here and no apt-get to install it: install Chromium or Chrome, or set BARGEIN_CHROMIUM." >&2
exit 1
