"""Models on the Hugging Face hub, by `huggingface_hub`: names, files fetched, files published, and what can go wrong.

`HF_HUB_OFFLINE=1` reads what was fetched before, `HF_ENDPOINT` names another hub, and the token of `hf auth login` or
`HF_TOKEN` is sent.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from textcnn.errors import ConfigError, TextCNNError, one_line

REPOSITORY = re.compile(r"(?![^:]*(?:--|\.\.))[A-Za-z0-9][\w.-]*(?<![.-])/\w[\w.-]*(?<![.-])", re.ASCII)
"""`user/name` as the hub allows it."""

_REFUSED = (401, 403)  # HTTP: no login, or one that may not


def check_library() -> None:
    """Raise ConfigError unless `huggingface_hub` is installed."""
    if find_spec("huggingface_hub") is None:
        raise ConfigError(
            "expected the library huggingface_hub, which speaks with the Hugging Face hub, found none; install it: "
            "pip install huggingface_hub"
        )


def fetched(name: str, files: Sequence[str], error: type[TextCNNError], *, revision: str | None = None) -> Path:
    """Return a folder that has files of a model on the hub; what was fetched before is not fetched again.

    Without a network it has those that were fetched last.

    Args:
        name: of the repository.
        files: names or patterns of the files; files in sub-folders are left out.
        error: what is raised if they cannot be fetched.
        revision: branch, tag or commit; None for the branch `main`.

    Raises:
        ConfigError: `huggingface_hub` is not installed.
    """
    check_library()
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.utils import LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        with quietly():
            folder = snapshot_download(name, revision=revision, allow_patterns=[*files], ignore_patterns=["*/*"])
    except RepositoryNotFoundError as problem:
        raise error(
            f"expected a model on the Hugging Face hub, but there is no {name}, or it is not public; "
            "correct the name or log in to the hub; for a folder, give its path"
        ) from problem
    except RevisionNotFoundError as problem:
        raise error(
            f"expected the revision {revision} of {name} on the Hugging Face hub, but there is none; give a branch, a "
            "tag or a commit of it"
        ) from problem
    except LocalEntryNotFoundError as problem:
        reason = "HF_HUB_OFFLINE is set, and it was not fetched before"
        if not constants.HF_HUB_OFFLINE:
            reason = f"cannot reach the Hugging Face hub ({one_line(problem.__cause__ or problem)})"
        raise error(
            f"{name}: expected a folder or a model on the hub, found no such folder, and {reason}; "
            "check the path or the network"
        ) from problem
    # The exceptions of the hub's client depend on its HTTP library, and that on its version.
    except Exception as problem:
        raise error(
            f"{name}: the Hugging Face hub did not give it: {one_line(problem)}; try again, or give a folder"
        ) from problem
    return Path(folder)


def published(
    name: str,
    contents: Mapping[str, bytes],
    error: type[TextCNNError],
    *,
    message: str,
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Write files into a model's repository on the hub, in one commit, and return the address of the commit.

    The repository and the branch are created if they do not exist; other files that are there stay.

    Args:
        name: of the repository.
        contents: of each file, by name.
        error: what is raised if the hub does not take them.
        message: of the commit.
        private: whether a repository that is created is private; None leaves that to the hub.
        revision: the branch; None for `main`.
        token: of a user who may write there; None for the one who has logged in.

    Raises:
        ConfigError: `huggingface_hub` is not installed, or `name` is none that the hub allows.
    """
    check_library()
    if not REPOSITORY.fullmatch(name):
        raise ConfigError(f"expected user/name on the Hugging Face hub, found {name!r}")
    from huggingface_hub import CommitOperationAdd, HfApi

    hub = HfApi(token=token)
    try:
        with quietly():
            hub.create_repo(name, private=private, exist_ok=True)
            if revision is not None:
                hub.create_branch(name, branch=revision, exist_ok=True)
            operations = [CommitOperationAdd(file, content) for file, content in contents.items()]
            commit = hub.create_commit(name, operations, commit_message=message, revision=revision)
    # As above.
    except Exception as problem:
        status = getattr(getattr(problem, "response", None), "status_code", None)
        if status in _REFUSED:
            raise error(
                f"{name}: expected someone who may write there, but the Hugging Face hub refused it (HTTP {status}); "
                "log in (hf auth login) or give another token"
            ) from problem
        raise error(f"{name}: the Hugging Face hub did not take it: {one_line(problem)}; try again") from problem
    return str(commit.commit_url)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the progress bars, messages and warnings of `huggingface_hub` from the user."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging

    level, shown = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity(logging.CRITICAL)
    disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            enable_progress_bars()
