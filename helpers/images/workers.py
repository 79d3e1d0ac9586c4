"""The processes that decode pictures, seen from the process that started them."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from typing import IO

from helpers.images import decode
from helpers.images.decode import Picture, read_message, write_message
from helpers.images.limits import Limits
from helpers.images.statuses import ImageError

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # glibc keeps a photo's memory for the next one: mapping it anew is a sixth of a worker's time
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # large pages: 3% more
}
_PIPE_BYTES = 1 << 20
_LARGE_PIXELS = (
    16_000_000  # over all workers: a picture of more than a worker's part is decoded alone
)


class Standardiser:
    """`decode.standardise` in a few worker processes; callable from any number of threads.

    A worker that dies, or uses more processor time than a picture may, is replaced, and its picture
    is `undecodable`.

    Parameters
    ----------
    workers : int, optional
        As many as cores unless told.
    seconds : float
        Processor time that one picture may take.
    **options
        Of `decode.standardise`.
    """

    def __init__(self, workers: int | None = None, seconds: float = Limits.decode, **options):
        self.workers = workers or os.cpu_count() or 1
        self._seconds = seconds
        self._options = options
        self._lock = threading.Lock()
        self._is_killed = False
        self._gate = tempfile.NamedTemporaryFile(prefix="decoding-")
        self._running: list[subprocess.Popen] = []
        self._idle: queue.SimpleQueue[subprocess.Popen | None] = queue.SimpleQueue()
        for _ in range(self.workers):
            self._idle.put(None)

    def __call__(self, data: bytes) -> Picture:
        """Standardise one photograph.

        Raises
        ------
        ImageError
            As `decode.standardise`, and `undecodable`. Its `seconds`, like the picture's, are
            processor time.
        """
        worker = self._idle.get()
        try:
            if worker is None:
                worker = self._start()
            head, payload = self._ask(worker, data)
        except (OSError, EOFError, ValueError) as error:
            self._end(worker)
            worker = None
            reason = "the decoder crashed or took too long"
            raise ImageError("undecodable", reason, seconds=self._seconds) from error
        finally:
            self._idle.put(worker)
        if "status" in head:
            raise ImageError(head["status"], head["detail"], seconds=head["seconds"])
        return Picture(payload, **head)

    def kill(self) -> None:
        """Stop the workers at once; the pictures under way are lost."""
        with self._lock:
            self._is_killed = True
            for worker in self._running:
                worker.kill()

    def close(self) -> None:
        """Stop the workers when they are done; there are none afterwards."""
        for _ in range(self.workers):
            worker = self._idle.get()
            if worker is not None:
                self._end(worker, gently=True)
        self._gate.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *exc):
        if kind is not None:
            self.kill()
        self.close()

    @staticmethod
    def _ask(worker: subprocess.Popen, data: bytes) -> tuple[dict, bytes]:
        requests, answers = _pipes(worker)
        write_message(requests, data)
        requests.flush()
        head = json.loads(read_message(answers))
        payload = read_message(answers)
        return head, payload

    def _start(self) -> subprocess.Popen:
        options = json.dumps(self._options)
        limits = [str(self._seconds), self._gate.name, str(_LARGE_PIXELS // self.workers)]
        command = [sys.executable, "-P", decode.__file__, options, *limits]
        worker = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        )
        with self._lock:
            self._running.append(worker)
            if self._is_killed:  # while this worker was starting
                worker.kill()
        requests, answers = _pipes(worker)
        _widen(requests)
        try:
            read_message(answers)
        except EOFError as error:
            self._end(worker)
            tried = " ".join(command)
            raise RuntimeError(f"the decoding worker did not start; try: {tried}") from error
        return worker

    def _end(self, worker: subprocess.Popen | None, gently: bool = False) -> None:
        if worker is None:
            return
        if not gently:
            worker.kill()
        requests, answers = _pipes(worker)
        with contextlib.suppress(OSError):  # what was still to be written to a dead worker
            requests.close()
        answers.close()
        worker.wait()
        with self._lock:
            self._running.remove(worker)


def _pipes(worker: subprocess.Popen) -> tuple[IO[bytes], IO[bytes]]:
    """Where a worker reads photographs, and where it answers."""
    assert worker.stdin is not None and worker.stdout is not None
    return worker.stdin, worker.stdout


def _widen(pipe) -> None:
    """Let a photo fit into a pipe in one write; on Linux only, and not always granted."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
