#!/bin/sh
# Installs what builds and checks the package for npm (clients/js): esbuild, TypeScript, React. Each version is pinned in
# package.json, those of their own requirements by its "overrides"; a lock file would hold the registry's addresses.
set -eu
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "No Node.js here and no apt-get to install it: install Node.js 18 or newer, with npm." >&2
    exit 1
  fi
  echo "Installing Node.js for the tests of the client, once"
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nodejs npm
fi
cd "$(dirname "$0")/../clients/js"
npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
