import pytest

from textcnn import kernels


def pytest_collection_modifyitems(items):
    if not kernels.compiled:
        for item in items:
            if "tests/kernels/" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason="textcnn was installed without a compiler"))
