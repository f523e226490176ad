"""Data that are read block by block, whatever form they come in, as a source of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from glmstat.data.stream import StreamSource

__all__ = ["open_stream"]


def open_stream(data: Any, what: str) -> StreamSource | None:
    """Return a source for data that are not held in memory, None for anything else.

    Parameters
    ----------
    data : path of a Parquet file.
    what : what messages call it.
    """
    if isinstance(data, (str, Path)) and str(data).endswith(".parquet"):
        from pyarrow import dataset

        from glmstat.data.arrow import DatasetReader

        return StreamSource(DatasetReader(dataset.dataset(str(data)), Path(data).name))
    return None
