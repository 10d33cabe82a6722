import shutil
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


def test_a_folder_with_nothing_but_the_lock_is_removed_however_its_process_ends(tmp_path):
    folder = tmp_path / "folder"
    with pytest.raises(TokenStoreError), alone_in(folder, busy=BUSY):
        raise TokenStoreError("nothing to do here")
    assert not folder.exists()
    with alone_in(folder, busy=BUSY):
        (folder / "work").touch()
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "work"]


def test_a_folder_is_not_removed_by_a_process_that_was_kept_out(tmp_path):
    with alone_in(tmp_path / "folder", busy=BUSY):
        with pytest.raises(TokenStoreError), alone_in(tmp_path / "folder", busy=BUSY):
            pass
        assert (tmp_path / "folder" / "lock").exists()


def test_a_folder_may_be_removed_by_the_process_that_is_in_it(tmp_path):
    with alone_in(tmp_path / "folder", busy=BUSY):
        shutil.rmtree(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
