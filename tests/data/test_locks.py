import subprocess
import sys

import pytest

from t2t.data.locks import alone_in
from t2t.errors import TokenStoreError

BUSY = TokenStoreError("busy")

HOLD = """
import sys, time
from pathlib import Path
from t2t.data.locks import alone_in
from t2t.errors import TokenStoreError

with alone_in(Path(sys.argv[1]), busy=TokenStoreError("busy")):
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_kept_out_until_the_first_is_gone_however_it_ends(tmp_path):
    folder = tmp_path / "new" / "folder"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        with pytest.raises(TokenStoreError) as caught, alone_in(folder, busy=BUSY):
            pass
        assert caught.value is BUSY
    finally:
        holder.kill()
        holder.communicate()
    with alone_in(folder, busy=BUSY):
        pass
