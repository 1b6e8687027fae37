#!/usr/bin/env bash
# Installs Debian's Chromium and its driver, for the test of the report, if they are missing; that
# needs root. Exit code 77, with the reason: not possible here.
set -euo pipefail

cannot() { echo "$1"; exit 77; }

command -v chromium >/dev/null && command -v chromedriver >/dev/null && exit 0
[ "$(id -u)" = 0 ] || cannot "no Chromium: only root can install it"
command -v apt-get >/dev/null || cannot "no Chromium: its packages need Debian"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null 2>&1 || true # the installation says whether it mattered
apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends chromium chromium-driver >/dev/null 2>&1 ||
  cannot "no Chromium: apt-get cannot install chromium and chromium-driver"
