"""Steps on a GPU give what they give on the CPU."""

import subprocess
import sys

import pytest
import torch

from helpers.artefacts import ROOT


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_gpu_gives_the_same_results():
    command = [sys.executable, "bench/gpu.py", "--pictures", "200"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
