"""One process at a time in a folder that is written to for long."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from t2t.errors import T2TError


@contextmanager
def alone_in(folder: Path, *, busy: T2TError) -> Iterator[None]:
    """Keep other processes out of a folder, which is made if need be; the system lets go of dead ones.

    A folder that then holds nothing but the lock is removed.

    Raises: `busy` at once, having changed nothing, if another process is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise busy from error
    try:
        yield
    finally:
        _remove_if_empty(folder, Path(lock.lock_file))
        lock.release()


def _remove_if_empty(folder: Path, lock_file: Path) -> None:
    """Remove a folder in which there is nothing but the lock; for the process that holds it."""
    with suppress(OSError):  # it is gone already, or the system does not remove open files (Windows)
        if [*folder.iterdir()] == [lock_file]:
            lock_file.unlink()
            folder.rmdir()
