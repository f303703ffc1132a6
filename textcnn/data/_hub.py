"""Data sets on the Hugging Face hub, or in a clone of one of its repositories."""

from __future__ import annotations

import logging
import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from textcnn.data._corpus import Corpus, HubCopy, Options, Tables
from textcnn.data._labels import declared_names, encode_labels, label_texts
from textcnn.data._picking import pick_columns, texts_of
from textcnn.data._places import Place, Places, split_of
from textcnn.data.local_files import FORMATS, filled, one_line
from textcnn.errors import DataError

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(:[^/]+)?")
_PARQUET_BRANCH = "refs/convert/parquet"
_SECONDS = 20


def is_hub_name(source: str) -> bool:
    """Tell whether a source that is no path here is ``user/name[:config]``, rather than a mistaken path."""
    if not _NAME.fullmatch(source):
        return False
    folder, _, name = source.partition("/")
    return Path(name).suffix.lower() not in (*FORMATS, ".gz") and not _is_folder(folder)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - pathlib raises for some names


def hub_places(source: str) -> Places:
    """Fetch ``user/name[:config]``.

    A folder of this name is read in its place, without the network.

    Raises:
        DataError: there is no such data set, it cannot be had, or has no training split.
    """
    repository, config = source, ""
    if ":" in source and not _is_folder(source):
        repository, _, config = source.rpartition(":")
    if not _is_folder(repository) and not _NAME.fullmatch(source):
        raise DataError(
            f"expected user/name or user/name:config on the Hugging Face hub, found {source!r}; leave out --hub "
            "to read a file or folder"
        )
    loaded = _fetch(repository, config=config or None)
    places: Places = {}
    for name, part in loaded.items():
        split = split_of(name)
        if split is None or split in places:
            logger.info("the split %s of %s is left out", name, source)
        else:
            places[split] = [_place(source, name, part)]
    if not places:
        raise DataError(f"expected a split train in {source}, found {', '.join(loaded)}; choose another data set")
    return places


def read_copy(corpus: Corpus, copy: HubCopy, options: Options) -> Tables:
    """Read a named corpus's copy and check its counts.

    Raises:
        DataError: it cannot be had, or is not what its description says.
    """
    logger.warning(
        "%s is read from %s (%s), a copy on the Hugging Face hub not compared with the authors' files%s",
        *(corpus.name, copy.repository, copy.revision[:12], f": {copy.differs}" if copy.differs else ""),
    )
    loaded = _fetch(copy.repository, config=copy.config, revision=copy.revision)
    tables: Tables = {}
    for split, expected in copy.counts.items():
        if split == "unsupervised" and not options.unsupervised:
            continue
        found = loaded[split].num_rows if split in loaded else 0
        if found != expected:
            raise DataError(
                f"expected {expected:,} texts in the {split} split of {copy.repository}, found {found:,}; "
                f"read the files of {corpus.name} with --data-dir instead"
            )
        tables[split] = _read_split(copy, _place(copy.repository, split, loaded[split]), split != "unsupervised")
    return tables


def _read_split(copy: HubCopy, place: Place, labelled: bool) -> pa.Table:
    table = pa.Table.from_batches(place.batches())
    pick_columns(table.column_names, copy.text_column, copy.label_column, path=place.name)
    texts = pa.chunked_array([texts_of(chunk, path=place.name) for chunk in table[copy.text_column].chunks])
    if not labelled:
        return pa.table({"text": texts, "label": np.full(len(texts), -1)})
    names = declared_names(table.schema, copy.label_column)
    labels = label_texts(table[copy.label_column], path=place.name, names=names)
    labels = encode_labels(labels, copy.labels, path=place.name, known_from="its description")
    return pa.table({"text": texts, "label": labels})


def _place(source: str, split: str, part: datasets.Dataset) -> Place:
    name = f"{source} ({split})"
    return Place(name, partial(filled, part.data.table.to_batches(), name))


def _fetch(repository: str, *, config: str | None = None, revision: str | None = None) -> datasets.DatasetDict:
    import datasets

    folder = None
    if not _is_folder(repository) and _has_only_a_script(repository, revision):
        logger.info("%s has a script, which is not run: the hub's own Parquet of it is read", repository)
        # that branch has a folder for each configuration, and says nothing of them
        config, folder, revision = None, config, _PARQUET_BRANCH
    try:
        return datasets.load_dataset(repository, config, data_dir=folder, revision=revision)
    except ConnectionError as error:
        raise _unreachable(repository, error) from error
    # whatever the readers of a dozen formats raise, all said to be the data's fault
    except Exception as error:
        raise _explain(repository, config, error) from error


def _has_only_a_script(repository: str, revision: str | None) -> bool:
    """Ask the hub about a repository: whether it is there, and whether ``datasets`` would refuse it.

    This comes first since ``datasets`` tries for half a minute before it says that there is no network.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(repository, revision=revision, timeout=_SECONDS)
    except OfflineModeIsEnabled:
        return False  # a copy fetched before may be there
    except RepositoryNotFoundError as error:
        raise DataError(
            f"expected a data set on the Hugging Face hub, but there is no {repository}, or it is not public; "
            "correct the name, or log in to the hub; for a file or a folder, its path"
        ) from error
    except RevisionNotFoundError as error:
        raise DataError(f"expected the revision {revision} of {repository} on the hub, but it is gone") from error
    # which exceptions the hub's client lets through depends on its HTTP library, and that on its version
    except Exception as error:
        raise _unreachable(repository, error) from error
    script = repository.partition("/")[2] + ".py"
    return any(file.rfilename == script for file in info.siblings or ())


def _unreachable(repository: str, error: Exception) -> DataError:
    return DataError(
        f"cannot reach the Hugging Face hub for {repository}: {one_line(error)}; is there a network? What was fetched "
        "before is read with HF_HUB_OFFLINE=1 in the environment"
    )


def _explain(repository: str, config: str | None, error: Exception) -> DataError:
    """Name the cause; `datasets` tells it only in words."""
    reason = one_line(error.__cause__ or error)
    choice = re.search(r"vailable(?: configs)?: (\[.*?\])", reason)
    if choice:
        found = repr(config) if config else "none"
        return DataError(
            f"expected one of the configurations {choice[1]} of {repository}, found {found}; write {repository}:NAME"
        )
    if "scripts are no longer supported" in reason:
        return DataError(
            f"expected data in {repository}, found a script that makes them, which is not run; choose a copy in "
            "Parquet, CSV or JSON"
        )
    return DataError(f"expected a data set that can be read, but {repository} cannot: {reason}; choose another copy")
