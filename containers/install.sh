#!/bin/sh
# Installs the package at the versions of requirements.txt. Both definitions in this folder run it.
set -eu
cd "$(dirname "$0")/.."
python -m pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .
