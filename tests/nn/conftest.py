import pytest

from textcnn import kernels


@pytest.fixture(params=["compiled", "plain"])
def form(monkeypatch, request):
    """Run a test with the compiled loops and without them."""
    if request.param == "compiled" and not kernels.compiled:
        pytest.skip("textcnn was installed without a compiler")
    monkeypatch.setattr(kernels, "compiled", request.param == "compiled")
    return request.param
