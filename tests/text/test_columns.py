import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from textcnn.errors import DataError
from textcnn.text.columns import as_column


@pytest.mark.parametrize(
    "texts",
    [
        ["a b", "c"],
        ("a b", "c"),
        np.array(["a b", "c"]),
        np.array(["a b", "c"], dtype=object),
        pd.Series(["a b", "c"]),
        pd.Series(["a b", "c"], dtype="category"),
        pd.Series(["a b", "c"], dtype=object, index=[7, 3]),
        pa.array(["a b", "c"]),
        pa.array(["a b", "c"], pa.large_string()),
        pa.array(["a b", "c"], pa.string_view()),
        pa.array(["a b", "c"]).dictionary_encode(),
        pa.chunked_array([["a b"], ["c"]]),
        (text for text in ["a b", "c"]),
        ["a b", np.str_("c")],
        {1: "a b", 2: "c"}.values(),
        np.array([["a b"], ["c"]]),
        np.array([["a b"], ["c"]], dtype=object),
        pd.DataFrame({"text": ["a b", "c"]}),
    ],
)
def test_any_usual_container_is_a_column(texts):
    assert as_column(texts).to_pylist() == ["a b", "c"]


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 2 has it")
def test_strings_of_any_length_are_a_column():
    assert as_column(np.array(["a b", "c"], np.dtypes.StringDType())).to_pylist() == ["a b", "c"]
    missing = np.dtypes.StringDType(na_object=None)
    with pytest.raises(DataError, match="missing value at row 1"):
        as_column(np.array(["a b", None], missing))


@pytest.mark.parametrize("texts", [[], np.array([]), pd.Series([], dtype=object), pa.array([])])
def test_no_texts_are_a_column(texts):
    assert as_column(texts).to_pylist() == []


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ("a b", "found a single one; write ['a b']"),
        (["a", None], "found a missing value at row 1"),
        (pd.Series(["a", np.nan]), "found a missing value at row 1"),
        ([None], "found a missing value at row 0"),
        ([1, 2], "found int64"),
        (["a", 2], "found int, str"),
        (7, "found int"),
        (np.array([["a", "b"]]), "found the shape (1, 2)"),
        (np.array([[["a"]]]), "found the shape (1, 1, 1)"),
        (np.array([["a"], [None]], dtype=object), "found a missing value at row 1"),
        (["\ud800"], "found a lone surrogate (half a character)"),
    ],
)
def test_what_is_not_a_column_of_texts(texts, found):
    with pytest.raises(DataError) as error:
        as_column(texts, what="X")
    assert str(error.value).startswith("X: expected ")
    assert found in str(error.value)
