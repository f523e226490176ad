"""A file that holds the result of every pass of a fit, so that a fit that was killed goes on.

The file is a line of text, a header in JSON, and records that are only ever appended: the result of a pass,
or the partial sums of one with the number of blocks that are in them. Each record has a checksum: what a
killed write left behind is recognised and cut off. Results are pickled, and read by an unpickler that knows
the classes of results and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from glmstat.data.results import dumped, loaded
from glmstat.data.target import check_target, unwritten
from glmstat.errors import FileError

__all__ = ["Facts", "Journal", "Record", "changed"]

FORMAT = 1
WORD = b"glmstat checkpoint "
_FRAME = struct.Struct("<cIQ16s")  # kind, number of the pass, length, checksum
_HEADER, _PASS, _PART = b"H", b"P", b"B"
_GROWTH = 16_000_000  # bytes of partial sums, beyond which newer ones take the place of older ones
_FAR = 1 << 62  # position of the byte that Windows locks: no reader is in its way
_REMEDY = "Give another path, or delete the file to start afresh."


class Facts(NamedTuple):
    """By what a fit is known: version, arguments of the call by name, and what is known of the data."""

    version: str
    call: Mapping[str, str]
    data: Mapping[str, str]


class Record(NamedTuple):
    """The result of a pass, or its partial sums.

    request : a text that differs where what is asked of the data does.
    learned : what the source and its columns were found to be.
    blocks : how many are in the partial sums; -1 says that `value` is the result.
    value : the result, or the partial sums; None with `lost` where that cannot be written down.
    """

    request: str
    learned: Mapping[str, Any]
    blocks: int
    value: Any
    lost: bool = False


class _Place(NamedTuple):
    start: int
    length: int


class Journal:
    """The passes of one fit in a file, open for this fit alone.

    Parameters
    ----------
    path : of the file; made if there is none.
    facts : of the fit; those in the file must be the same.

    Raises
    ------
    FileError : a file that is no checkpoint, or one of another call, of other data, of another version or in
        use; a folder that does not exist; no permission.
    """

    def __init__(self, path: str, facts: Facts) -> None:
        self.path = path
        self.passes: dict[int, _Place] = {}
        self.part: tuple[int, _Place] | None = None
        check_target(path, "checkpoint")
        self._file = _opened(path)
        try:
            self._end = self._base = self._begin(facts)
            self._scan()
        except BaseException:
            self._file.close()
            raise

    def find(self, number: int) -> Record | None:
        """Return what the file holds of a pass: its result, or the newest partial sums; None for nothing."""
        place = self.passes.get(number)
        if place is None and self.part is not None and self.part[0] == number:
            place = self.part[1]
        return None if place is None else self._load(place)

    def learned(self) -> dict[str, Any]:
        """Return what all records together tell of the data.

        Raises
        ------
        FileError : a record that glmstat never writes.
        """
        places = [*self.passes.values(), *([] if self.part is None else [self.part[1]])]
        whole: dict[str, Any] = {}
        for place in places:
            for word, value in self._load(place).learned.items():
                whole[word] = {**whole.get(word, {}), **value} if isinstance(value, dict) else value
        return whole

    def forget(self, number: int) -> None:
        """Cut off a pass and all after it."""
        places = [place for at, place in self.passes.items() if at >= number]
        places += [] if self.part is None else [self.part[1]]
        self.passes = {at: place for at, place in self.passes.items() if at < number}
        self.part = None
        self._end = min([place.start - _FRAME.size for place in places], default=self._end)
        self._base = self._end

    def keep(self, number: int, record: Record) -> None:
        """Append a result, or partial sums.

        Raises
        ------
        FileError : the device is full, or the file cannot be written; it is left as it was.
        """
        whole = record.blocks < 0
        raw = dumped(tuple(record))
        if raw is None:
            if not whole:
                return
            raw = dumped(tuple(record._replace(value=None, lost=True)))
            assert raw is not None
        start = self._end
        if not whole and self._end - self._base > max(_GROWTH, 4 * len(raw)):
            start = self._base
        place = self._append(_PASS if whole else _PART, number, raw, start)
        if whole:
            self.passes[number], self.part, self._base = place, None, self._end
        else:
            self.part = number, place

    def close(self) -> None:
        """Let others have the file."""
        self._file.close()

    def _begin(self, facts: Facts) -> int:
        """Check the header of the file, or write one; return where it ends."""
        found = self._header()
        if found is None:
            self._salt, self._end = b"", 0
            line = WORD + b"%d\n" % FORMAT
            raw = json.dumps(facts._asdict()).encode()
            self._write(0, line + _framed(_HEADER, 0, raw, b"") + raw)
            found = raw
        else:
            try:
                then = Facts(**json.loads(found))
                words = [*then.call.values(), *then.data.values(), then.version]
            except (ValueError, TypeError, AttributeError) as error:
                raise _damaged(self.path) from error
            if not all(isinstance(word, str) for word in words):
                raise _damaged(self.path)
            _compare(then, facts, self.path)
        self._salt = hashlib.blake2b(found, digest_size=16).digest()
        return len(WORD + b"%d\n" % FORMAT) + _FRAME.size + len(found)

    def _header(self) -> bytes | None:
        """The header in the file; None where none was ever whole."""
        line = WORD + b"%d\n" % FORMAT
        size = os.fstat(self._file.fileno()).st_size
        first = self._read(0, 64)
        if not first.startswith(line[: len(first)]):
            raise _foreign(first, self.path)
        if size < len(line) + _FRAME.size:
            return None
        place = self._frame(len(line), size)
        if place is None or place[0] != _HEADER:
            raise _damaged(self.path)
        _, _, at, checksum = place
        if at.start + at.length > size:
            return None
        raw = self._read(*at)
        if checksum != _checksum(_HEADER, 0, raw, b""):
            raise _damaged(self.path)
        return raw

    def _scan(self) -> None:
        """Find the records, up to the first that is not whole."""
        size = os.fstat(self._file.fileno()).st_size
        for kind, number, place in self._records(size):
            self._end = place.start + place.length
            if kind == _PASS:
                self.passes[number], self.part, self._base = place, None, self._end
            else:
                self.part = number, place

    def _records(self, size: int) -> Iterator[tuple[bytes, int, _Place]]:
        position = self._end
        while position + _FRAME.size <= size:
            found = self._frame(position, size)
            if found is None:
                return
            kind, number, place, checksum = found
            if kind not in (_PASS, _PART) or place.start + place.length > size:
                return
            if number != len(self.passes) or checksum != self._sum(kind, number, place):
                return
            yield kind, number, place
            position = place.start + place.length

    def _frame(self, position: int, size: int) -> tuple[bytes, int, _Place, bytes] | None:
        raw = self._read(position, min(_FRAME.size, size - position))
        if len(raw) < _FRAME.size:
            return None
        kind, number, length, checksum = _FRAME.unpack(raw)
        return kind, number, _Place(position + _FRAME.size, length), checksum

    def _sum(self, kind: bytes, number: int, place: _Place) -> bytes:
        known = _hasher(kind, number, self._salt)
        left, position = place.length, place.start
        while left:
            raw = self._read(position, min(left, 1 << 20))
            if not raw:
                break
            known.update(raw)
            left, position = left - len(raw), position + len(raw)
        return known.digest()

    def _load(self, place: _Place) -> Record:
        try:
            found = Record(*loaded(self._read(*place)))
            if not (isinstance(found.blocks, int) and isinstance(found.learned, dict)):
                raise TypeError(found)
            return found
        except Exception as error:
            raise FileError(f"Checkpoint holds what glmstat never writes: {self.path}. {_REMEDY}") from error

    def _append(self, kind: bytes, number: int, raw: bytes, start: int) -> _Place:
        self._write(start, _framed(kind, number, raw, self._salt) + raw)
        return _Place(start + _FRAME.size, len(raw))

    def _write(self, start: int, raw: bytes) -> None:
        """Write to the end, to the disk itself; where that fails the file ends where it ended before."""
        file, self._end = self._file, start
        try:
            file.truncate(start)
            file.seek(start)
            left = memoryview(raw)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):  # what is left there has no checksum
                file.truncate(start)
            raise _unwritten(error, self.path) from error
        self._end = start + len(raw)

    def _read(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        parts = []
        while length > 0:
            part = self._file.read(min(length, 1 << 24))
            if not part:
                break
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


def _opened(path: str) -> io.FileIO:
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise _unwritten(error, path) from error
    file = io.FileIO(number, "r+b")
    try:
        _lock(file)
    except OSError as error:
        file.close()
        raise FileError(
            f"Checkpoint is in use by another fit: {path}. Wait for it, or give another file."
        ) from error
    return file


def _lock(file: io.FileIO) -> None:
    """Take the file for this fit alone, until it is closed or the process ends."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):  # file systems without locks
            raise


def _compare(then: Facts, now: Facts, path: str) -> None:
    """Refuse the header of another fit."""
    if then.version != now.version:
        raise FileError(
            f"Checkpoint was written by glmstat {then.version}, this is {now.version}: {path}. {_REMEDY}"
        )
    apart = _apart(now.call, then.call)
    if apart:
        raise FileError(f"Checkpoint belongs to another call: {path}. {'; '.join(apart[:3])}. {_REMEDY}")
    apart = _apart(now.data, then.data)
    if apart:
        raise changed(path, "; ".join(apart))


def _apart(now: Mapping[str, str], then: Mapping[str, str]) -> list[str]:
    """What differs between two sets of facts, in words."""
    words = [word for word in {**now, **then} if now.get(word) != then.get(word)]
    return [f"{word} is {now.get(word, 'not given')}, was {then.get(word, 'not given')}" for word in words]


def changed(path: str, what: str) -> FileError:
    """Return the error of data that are not those of the checkpoint."""
    return FileError(f"Data changed since the checkpoint was written: {path}. {what}. {_REMEDY}")


def _foreign(first: bytes, path: str) -> FileError:
    number = first.removeprefix(WORD).split(b"\n")[0]
    if first.startswith(WORD) and number.isdigit() and int(number) > FORMAT:
        return FileError(f"Checkpoint was written by a newer glmstat: {path}. Update glmstat to go on.")
    return FileError(f"Not a checkpoint of glmstat: {path}. It was left as it is; give another path.")


def _damaged(path: str) -> FileError:
    return FileError(f"Checkpoint is damaged: {path}. Its first lines are not what was written; delete it.")


def _unwritten(error: OSError, path: str) -> FileError:
    remedy = (
        "Make room or give another path, and repeat the call: passes that are in the file are not made again."
    )
    return unwritten(error, path, "Checkpoint", remedy)


def _hasher(kind: bytes, number: int, salt: bytes) -> Any:
    return hashlib.blake2b(struct.pack("<cI", kind, number), digest_size=16, salt=salt)


def _checksum(kind: bytes, number: int, raw: bytes, salt: bytes) -> bytes:
    known = _hasher(kind, number, salt)
    known.update(raw)
    return known.digest()


def _framed(kind: bytes, number: int, raw: bytes, salt: bytes) -> bytes:
    return _FRAME.pack(kind, number, len(raw), _checksum(kind, number, raw, salt))
