"""Datasets on the Hugging Face hub, or in a clone of one of its repositories."""

from __future__ import annotations

import logging
import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from textcnn.data._batch_source import BatchSource, SourcesBySplit, split_of
from textcnn.data._corpus import Corpus, CorpusOptions, HubCopy, Tables
from textcnn.data._labels import declared_names, encode_labels, label_texts
from textcnn.data.local_files import FORMATS, non_empty
from textcnn.data.table_columns import pick_columns, texts_of
from textcnn.errors import DataError, one_line
from textcnn.hub import REPOSITORY

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)

_NAME = re.compile(rf"{REPOSITORY.pattern}(:[^/]+)?", re.ASCII)
_PARQUET_BRANCH = "refs/convert/parquet"
_SECONDS = 20


def is_hub_name(source: str) -> bool:
    """Return whether a source that is no local path is `user/name[:config]`, rather than a misspelled path."""
    if not _NAME.fullmatch(source):
        return False
    folder, _, name = source.partition("/")
    return Path(name).suffix.lower() not in (*FORMATS, ".gz") and not _is_folder(folder)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - pathlib raises for some names


def hub_sources(source: str) -> SourcesBySplit:
    """Fetch a dataset from the hub.

    Args:
        source: `user/name[:config]`; a folder of this name is read instead, without the network.

    Returns:
        The splits whose names are known; there may be no `train`.

    Raises:
        DataError: There is no such dataset, it cannot be fetched or read, or none of its splits is known.
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
    sources: SourcesBySplit = {}
    for name, part in loaded.items():
        split = split_of(name)
        if split is None or split in sources:
            logger.info("the split %s of %s is skipped", name, source)
        else:
            sources[split] = [_split_source(source, name, part)]
    if not sources:
        raise DataError(f"expected a split train in {source}, found {', '.join(loaded)}; choose another dataset")
    return sources


def read_copy(corpus: Corpus, copy: HubCopy, options: CorpusOptions) -> Tables:
    """Read a named corpus from its copy on the hub and check its counts.

    Args:
        corpus: The corpus.
        copy: Its copy.
        options: Which texts to read.

    Raises:
        DataError: It cannot be fetched, or does not match its description.
    """
    logger.warning(
        "reading %s from %s (%s), a copy on the Hugging Face hub not compared with the authors' files%s",
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
        tables[split] = _read_split(copy, _split_source(copy.repository, split, loaded[split]), split != "unsupervised")
    return tables


def _read_split(copy: HubCopy, source: BatchSource, labelled: bool) -> pa.Table:
    table = pa.Table.from_batches(source.batches())
    pick_columns(table.column_names, copy.text_column, copy.label_column, path=source.name)
    texts = pa.chunked_array([texts_of(chunk, path=source.name) for chunk in table[copy.text_column].chunks])
    if not labelled:
        return pa.table({"text": texts, "label": np.full(len(texts), -1)})
    names = declared_names(table.schema, copy.label_column)
    labels = label_texts(table[copy.label_column], path=source.name, names=names)
    labels = encode_labels(labels, copy.labels, path=source.name, known_from="its description")
    return pa.table({"text": texts, "label": labels})


def _split_source(source: str, split: str, part: datasets.Dataset) -> BatchSource:
    name = f"{source} ({split})"
    return BatchSource(name, partial(non_empty, part.data.table.to_batches(), name))


def _fetch(repository: str, *, config: str | None = None, revision: str | None = None) -> datasets.DatasetDict:
    import datasets

    folder = None
    if not _is_folder(repository) and _has_only_a_script(repository, revision):
        logger.info("%s has a script, which is not run; reading the hub's Parquet export instead", repository)
        # That branch has a folder per configuration, but does not declare them.
        config, folder, revision = None, config, _PARQUET_BRANCH
    try:
        return datasets.load_dataset(repository, config, data_dir=folder, revision=revision)
    except ConnectionError as error:
        raise _unreachable(repository, error) from error
    # The readers of a dozen formats raise whatever they like; all of it is the data's fault.
    except Exception as error:
        raise _explain(repository, config, error) from error


def _has_only_a_script(repository: str, revision: str | None) -> bool:
    """Return whether a repository on the hub has a script, which `datasets` would refuse; raise if it is missing.

    This comes first because `datasets` tries for half a minute before it reports that there is no network.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(repository, revision=revision, timeout=_SECONDS)
    except OfflineModeIsEnabled:
        return False  # the cache may have a copy
    except RepositoryNotFoundError as error:
        raise DataError(
            f"expected a dataset on the Hugging Face hub, but there is no {repository}, or it is not public; "
            "correct the name or log in to the hub; for a file or folder, give its path"
        ) from error
    except RevisionNotFoundError as error:
        raise DataError(f"expected the revision {revision} of {repository} on the hub, but it is gone") from error
    # The exceptions of the hub's client depend on its HTTP library, and that on its version.
    except Exception as error:
        raise _unreachable(repository, error) from error
    script = repository.partition("/")[2] + ".py"
    return any(file.rfilename == script for file in info.siblings or ())


def _unreachable(repository: str, error: Exception) -> DataError:
    return DataError(
        f"cannot reach the Hugging Face hub for {repository}: {one_line(error)}; check the network, or set "
        "HF_HUB_OFFLINE=1 to read what was fetched before"
    )


def _explain(repository: str, config: str | None, error: Exception) -> DataError:
    """Return the error for a failure of `datasets`, whose cause is only in its message."""
    reason = one_line(error.__cause__ or error)
    choice = re.search(r"vailable(?: configs)?: (\[.*?\])", reason)
    if choice:
        found = repr(config) if config else "none"
        return DataError(
            f"expected one of the configurations {choice[1]} of {repository}, found {found}; write {repository}:NAME"
        )
    if "scripts are no longer supported" in reason:
        return DataError(
            f"expected data in {repository}, found a script that generates them, which is not run; choose a copy in "
            "Parquet, CSV or JSON"
        )
    return DataError(f"expected a readable dataset, but {repository} cannot be read: {reason}; choose another copy")
