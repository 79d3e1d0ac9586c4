#!/usr/bin/env bash
# GNU make for the course's commands; a browser that prints slides and runs the browser tests, and its letters.
set -euo pipefail
sudo apt-get update -qq
sudo apt-get install -y -qq --no-install-recommends make chromium fonts-dejavu-core
