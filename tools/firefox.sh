#!/bin/sh
# Makes sure a Firefox is on this machine, and PulseAudio, whose null sink is its loudspeaker: without one Firefox runs no
# AudioContext. Where neither can be installed, the client is tested in Chromium alone.
set -eu
if command -v firefox-esr >/dev/null 2>&1 && command -v pulseaudio >/dev/null 2>&1; then exit 0; fi
if command -v apt-get >/dev/null 2>&1; then
  echo "Installing Firefox and PulseAudio for the tests of the client, once"
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  if $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends firefox-esr pulseaudio; then exit 0; fi
fi
echo "No Firefox could be installed here: the client is tested in Chromium alone."
