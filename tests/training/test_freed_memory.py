import platform
import subprocess
import sys

import pytest

from t2t.config import TrainingConfig
from t2t.training.freed_memory import keep_freed_memory
from t2t.training.run import build_accelerator

# Page faults while a block of 64 MiB is made, filled and freed ten times, after a first time.
_COUNT_FAULTS = """
import resource
from t2t.training.freed_memory import keep_freed_memory
keep_freed_memory()
bytearray(64 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(64 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries cannot be told")
def test_a_block_that_was_freed_is_used_again():
    done = subprocess.run([sys.executable, "-c", _COUNT_FAULTS], capture_output=True, text=True, check=True)
    # 64 MiB are 16,384 pages of 4 KiB: ten blocks that are new to the kernel would cost 163,840 faults
    assert int(done.stdout) < 1000


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()


def test_a_run_on_a_cpu_keeps_what_it_frees(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("t2t.training.run.keep_freed_memory", lambda: asked.append(True))
    training = TrainingConfig(num_steps=1, batch_size=1, device="cpu", dtype="float32")
    build_accelerator(training, tmp_path)
    assert asked == [True]
