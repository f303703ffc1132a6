from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import textcnn
from textcnn.data import blocks
from textcnn.data.local_files import FORMATS, has_columns, pick_columns, read_batches, read_table, texts_of
from textcnn.errors import DataError

CSV = b'text,label\n"one, ""two""\nthree",007\nfour,\n"",x\n'
ROWS = [{"text": 'one, "two"\nthree', "label": "007"}, {"text": "four", "label": None}, {"text": "", "label": "x"}]
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path):
    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return name

    return write


def message(name: str, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_table(name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Reading


def test_csv_columns_are_strings_as_written(write):
    table = read_table(write("a.csv", CSV))
    assert table.to_pylist() == ROWS
    assert set(table.schema.types) == {pa.string()}


def test_tsv(write):
    data = b'text\tlabel\n"a\tb"\t1\n5" disk, no "quote"\t2\n'
    for name in ("a.tsv", "a.tab"):
        assert read_table(write(name, data)).to_pylist() == [
            {"text": "a\tb", "label": "1"},
            {"text": '5" disk, no "quote"', "label": "2"},
        ]


@pytest.mark.parametrize("name", ["a.csv.gz", "A.CSV.GZ"])
def test_gzip(write, name):
    assert read_table(write(name, gzip.compress(CSV))).to_pylist() == ROWS


def test_format_given(write):
    assert read_table(write("a.data", CSV), file_format="csv").to_pylist() == ROWS


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\n\n", b""])
def test_line_ends_and_blank_lines(write, ending):
    data = (b"\n\ntext,label\nx,1\n\ny,2" + ending).replace(b"\n", b"\r\n" if ending == b"\r\n" else b"\n")
    assert read_table(write("a.csv", data))["text"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("latin-1", "latin-1"),
        ("gb18030",) * 2,
    ],
)
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_encodings(write, monkeypatch, encoding, written, block):
    monkeypatch.setattr(blocks, "BLOCK", block)
    data = "text,label\ncafé,1\nü,2\n".encode(written)
    assert read_table(write("a.csv", data), encoding=encoding).to_pydict() == {
        "text": ["café", "ü"],
        "label": ["1", "2"],
    }


def test_json_lines(write):
    data = b'\xef\xbb\xbf{"text": "a", "label": 1}\n\n{"label": 2.5, "text": null, "day": "2020-01-01"}'
    for name in ("a.jsonl", "a.ndjson", "a.json"):
        assert read_table(write(name, data)).to_pylist() == [
            {"text": "a", "label": 1.0, "day": None},
            {"text": None, "label": 2.5, "day": "2020-01-01"},
        ]


def test_json_columns_may_grow_from_run_to_run(write, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 8)
    lines = [
        {"a": None, "t": "2020-01-01", "n": 1, "s": {"x": 1}},
        {"a": "w", "t": "b", "n": 2.5, "s": {"x": 2, "y": ["2020-01-01"]}},
        {"n": 3, "new": True},
    ]
    name = write("a.jsonl", "\n".join(map(json.dumps, lines)).encode())
    batches = list(read_batches(name))
    assert len(batches) == 3
    assert [batch.schema.names for batch in batches] == [["a", "t", "n", "s"]] * 2 + [["a", "t", "n", "s", "new"]]
    found = read_table(name)
    assert found["n"].to_pylist() == [1.0, 2.5, 3.0]
    assert found["t"].to_pylist() == ["2020-01-01", "b", None]
    assert found["s"].to_pylist() == [{"x": 1, "y": None}, {"x": 2, "y": ["2020-01-01"]}, None]
    assert found["new"].to_pylist() == [None, None, True]


def test_parquet(write):
    table = pa.table({"text": ["a", None], "label": [1, 2], "other": [[1], []]})
    for name in ("a.parquet", "a.pq"):
        pq.write_table(table, name)
        assert read_table(name).equals(table)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow(make, compression):
    table = pa.table({"text": ["a", None, "c"], "label": pa.array(["x", "y", "x"]).dictionary_encode()})
    for name in ("a.arrow", "a.feather"):
        with make(name, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table)
        assert read_table(name).equals(table)
        assert [batch.num_rows for batch in read_batches(name, batch_rows=2)] == [2, 1]


def test_columns_named_by_the_caller(write):
    table = read_table(write("a.csv", b'3,"a, ""b""",c\n1,d,\n'), column_names=("class", "title", "body"))
    assert table.to_pylist() == [
        {"class": "3", "title": 'a, "b"', "body": "c"},
        {"class": "1", "title": "d", "body": None},
    ]


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_labelled_lines(write, monkeypatch, block):
    monkeypatch.setattr(blocks, "BLOCK", block)
    data = "__label__good  a fine\tfilm \r\n__label__not-good,é\n__label__x\n\nno label_\n__label__ y".encode()
    for name in ("a.txt", "a.ft"):
        assert read_table(write(name, data)).to_pylist() == [
            {"text": "a fine\tfilm ", "label": "good"},
            {"text": "", "label": "not-good,é"},
            {"text": "", "label": "x"},
            {"text": "", "label": None},
            {"text": "no label_", "label": None},
            {"text": "y", "label": ""},
        ]


def test_plain_text(write):
    assert read_table(write("a.txt", b"a,b\r\n\nc")).to_pydict() == {"text": ["a,b", "", "c"]}


@pytest.mark.parametrize("suffix", FORMATS)
def test_only_plain_text_has_no_columns(write, suffix):
    assert has_columns(write(f"a{suffix}", b"a film\n")) == (suffix not in (".txt", ".ft"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_labelled_text_has_columns(write, encoding):
    assert has_columns(write("a.txt", "__label__x é\n".encode(encoding)))
    assert has_columns(write("a.ft.gz", gzip.compress("__label__x é\n".encode(encoding))))
    assert not has_columns(write("a.txt", "a __label__x é\n".encode(encoding)))


def test_columns_of_a_missing_text_file():
    with pytest.raises(DataError) as caught:
        has_columns("a.txt")
    assert str(caught.value) == "expected a file, but there is no a.txt"


def test_batches_are_bounded(write):
    name = write("a.csv", b"text\n" + b"x\n" * 10)
    assert [batch.num_rows for batch in read_batches(name, batch_rows=4)] == [4, 4, 2]


def test_a_line_of_10_mb(write):
    long = "é" * 5_000_000
    assert read_table(write("a.csv", f'text,label\n"{long}",1\n'.encode()))["text"].to_pylist() == [long]
    assert read_table(write("a.jsonl", json.dumps({"text": long}).encode()))["text"].to_pylist() == [long]
    assert read_table(write("a.txt", long.encode()))["text"].to_pylist() == [long]
    labelled = read_table(write("a.ft", f"__label__x {long}\n".encode()))
    assert labelled.to_pylist() == [{"text": long, "label": "x"}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(WORDS, WORDS), min_size=1),
    block=st.integers(1, 40),
    terminator=st.sampled_from(["\n", "\r\n"]),
)
def test_csv_round_trip(write, rows, block, terminator):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=terminator).writerows([("text", "label"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        table = read_table(write("a.csv", text.getvalue().encode()))
    assert list(zip(*table.to_pydict().values(), strict=True)) == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({"text": WORDS, "label": st.integers(-9, 9)}), min_size=1), plain=st.booleans()
)
def test_json_round_trip(write, rows, plain):
    data = "\n".join(json.dumps(row, ensure_ascii=plain) for row in rows)
    assert read_table(write("a.jsonl", data.encode())).to_pylist() == rows


def test_only_arrow_and_numpy_are_imported():
    heavy = "{'torch', 'datasets', 'pandas', 'sklearn', 'gensim'}"
    code = f"import sys, textcnn.data.local_files; print({heavy} & sys.modules.keys())"
    root = Path(textcnn.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Errors


def test_missing_file(write):
    write("reviews.csv", CSV)
    assert message("revews.csv") == (
        "expected a file, but there is no revews.csv; nearest to 'revews.csv': reviews.csv"
    )
    assert message("none/a.csv") == "expected a file, but there is no none/a.csv, nor a folder none"
    assert message("x" * 5000).startswith("expected a file, but there is no xxx")


def test_folder(tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert message("a.csv") == "expected a file, found the folder a.csv; name a file in it"


def test_unknown_ending(write):
    for name in ("a.doc", "a.parquet.gz", "a.feather.gz"):
        assert message(write(name, b"")) == (
            "expected a file that ends in one of .csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq, .arrow, "
            f".feather, .txt, .ft, all but Parquet and Arrow also with .gz, found {name}; rename it"
        )


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_empty(write, name, data):
    assert message(write(name, data)) == f"expected rows of text in {name}, but it is empty; is it the right file?"


def test_header_only(write):
    assert message(write("a.csv", b"text,label\n\n")) == (
        "expected rows below the header of a.csv, found only ['text', 'label']; is it the right file?"
    )


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize(("row", "found"), [(b"x,1,2", 3), (b"x", 1)])
def test_ragged(write, monkeypatch, block, row, found):
    monkeypatch.setattr(blocks, "BLOCK", block)
    assert message(write("a.csv", b'text,label\n"a\nb",1\n\nc,2\n' + row + b"\nd,3\n")) == (
        f"expected 2 columns in each row of a.csv, as in its first, but line 6 has {found}; "
        "put a field that holds a comma in quotes"
    )


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_bad_quotes(write, monkeypatch, block):
    monkeypatch.setattr(blocks, "BLOCK", block)
    assert message(write("a.csv", b'text,label\n"a\n""b""",1\n"c,2\nd,3\n')) == (
        "expected each quoted field to be closed, but the quote opened in line 4 of a.csv never is; "
        "close it, or double the quotes that belong to the text"
    )
    assert message(write("a.csv", b'text,label\n"a\nb",1\n"c" d,2\n')) == (
        "expected a comma or the row's end after a closing quote, found ' ' in line 4 of a.csv; "
        "put the whole field in quotes and double those within"
    )
    # laxer readers make these two rows one
    assert message(write("a.tsv", b'text\tlabel\n"a b\t1\n"c d\t0\n')) == (
        "expected a tab or the row's end after a closing quote, found 'c' in line 3 of a.tsv; "
        "put the whole field in quotes and double those within"
    )


@pytest.mark.parametrize("end", [b"", b'"', b'""', b'"",', b'""""'])
def test_quotes_at_the_end_pair_or_do_not(write, end):
    data = b"text,label\na," + end
    if end in (b"", b'""', b'""""'):
        assert read_table(write("a.csv", data)).num_rows == 1
    else:
        assert message(write("a.csv", data))


def test_rows_without_end(write, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 1 << 10)
    monkeypatch.setattr(blocks, "LONGEST_ROW", 1 << 20)
    assert message(write("a.csv", b'text,label\n"' + b"x\n" * (1 << 20))) == (
        "expected rows of at most 1 MiB, but that from line 2 of a.csv is longer; is its quote never closed?"
    )
    assert message(write("a.txt", b"x\n" + b"x" * (1 << 21))) == (
        "expected rows of at most 1 MiB, but that from line 2 of a.txt is longer; is it a text file?"
    )


def test_carriage_returns_alone(write):
    assert message(write("a.csv", b"text,label\ra,1\r")) == (
        "expected lines that end in a newline, but a.csv ends them in carriage returns; convert them"
    )


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_other_bytes_than_utf8(write, monkeypatch, block, name):
    monkeypatch.setattr(blocks, "BLOCK", block)
    assert message(write(name, "text,label\ngut,1\nbö".encode() + b"\xc3\xe9,2\n")) == (
        f"expected UTF-8 text, but {name} has the byte 0xc3 at offset 20 (line 3); "
        "name its encoding, such as --encoding latin-1"
    )


def test_utf8_cut_in_a_character(write):
    assert message(write("a.txt", b"a\nb\xc3")) == (
        "expected UTF-8 text, but a.txt has the byte 0xc3 at offset 3 (line 2); "
        "name its encoding, such as --encoding latin-1"
    )


def test_wrong_encoding_given(write):
    assert message(write("a.txt", "a\nb\n".encode("utf-16")[:-1]), encoding="utf-16") == (
        "expected UTF-16 text, but a.txt has the byte 0x0a at offset 8 (line 2); "
        "name its encoding, such as --encoding latin-1"
    )
    assert message(write("a.txt", b"a+2AA-"), encoding="utf-7") == (
        "expected UTF-7 text, but a.txt is not; name its encoding with --encoding"
    )


@pytest.mark.parametrize("encoding", ["utf-9", "zlib", "", "a\0b"])
def test_unknown_encoding(write, encoding):
    assert message(write("a.csv", CSV), encoding=encoding) == (
        f"expected the name of a text encoding, such as utf-8, utf-16, latin-1 or cp1252, found {encoding!r}"
    )


def test_nul(write):
    assert message(write("a.csv", b"text,label\na,1\nb\0c,2\n")) == (
        "expected text, but a.csv has a NUL byte in line 3; is it a text file, and is it whole? "
        "Otherwise name its encoding with --encoding"
    )


@pytest.mark.parametrize(
    ("written", "named"),
    [("utf-16", "utf-16"), ("utf-32", "utf-32"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_utf16(write, written, named, name):
    write(name, '{"text": "é"}\n'.encode(written))
    assert message(name) == (
        f"expected UTF-8 text, but {name} looks like {named.upper()}; name its encoding: --encoding {named}"
    )
    if name == "a.jsonl":
        assert read_table(name, encoding=named).to_pylist() == [{"text": "é"}]


JSON_EXPECTED = 'expected a JSON object, such as {"text": ..., "label": ...}, in each line, but '


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"text": ', "line 3 of a.jsonl is not JSON: Expecting value at column 10; mend it"),
        (b'{"a": 1} {"a": 2}', "line 3 of a.jsonl is not JSON: Extra data at column 10; mend it"),
        (b"[1]", "line 3 of a.jsonl is a list; write each row as an object"),
        (b"null", "line 3 of a.jsonl is null; write each row as an object"),
    ],
)
def test_bad_json(write, line, found):
    assert message(write("a.jsonl", b'{"text": "a"}\n\n' + line + b"\n")) == JSON_EXPECTED + found


def test_json_object_over_lines(write):
    assert message(write("a.json", b'{"text":\n"a"}\n')) == (
        JSON_EXPECTED + "line 1 of a.json is not JSON: Expecting value at column 9; mend it"
    )


@pytest.mark.parametrize("block", [1, 1 << 20])
def test_json_of_differing_types(write, monkeypatch, block):
    monkeypatch.setattr(blocks, "BLOCK", block)
    assert message(write("a.jsonl", b'{"text": "a", "label": 1}\n{"text": "b", "label": "x"}\n')) == (
        "expected values of one type in a column, but 'label' in line 2 of a.jsonl is a string, and a number before; "
        "write it one way throughout"
    )


def test_json_values_that_cannot_be_kept(write):
    assert message(write("a.jsonl", b'{"text": "a"}\n{"text": "\\ud800"}\n')) == (
        "expected plain values, but 'text' in line 2 of a.jsonl cannot be kept: "
        "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed; mend it"
    )
    assert message(write("a.jsonl", b'{"id": 1}\n{"id": 99999999999999999999}\n')) == (
        "expected plain values, but 'id' in line 2 of a.jsonl cannot be kept: "
        "Python int too large to convert to C long; mend it"
    )
    assert message(write("a.jsonl", b'{"id": ' + b"1" * 5000 + b"}\n")) == (
        JSON_EXPECTED + "line 1 of a.jsonl has a number too long to read; write it as a string"
    )
    assert message(write("a.jsonl", b'{"id": [1]}\n{"id": ["a"]}\n')).startswith(
        "expected values of one type in a column, but those in a.jsonl differ: Could not convert 'a'"
    )


def test_json_nested_too_deeply(write):
    deep = b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert message(write("a.jsonl", b'{"x": []}\n' + deep)) == (
        "expected JSON nested at most 64 deep, but line 2 of a.jsonl is deeper; keep only the columns that are needed"
    )
    assert read_table(write("a.jsonl", b'{"x": "\\"' + b"[" * 1000 + b'"}')).num_rows == 1


@pytest.mark.parametrize("line", ["__label__a __label__b x", "__label__a x __label__b", "__label__a\t__label__b"])
def test_several_labels_on_a_line(write, line):
    assert message(write("a.txt", f"__label__a x__label__y\n{line}\n".encode())) == (
        "expected one label a line, but line 2 of a.txt has 2 (__label__a, __label__b); "
        "keep one of them, since a text has one class here"
    )


def test_broken_arrow(write):
    assert message(write("a.arrow", b"x" * 100)) == (
        "expected a whole Arrow file, but a.arrow cannot be read: Expected to read 2021161080 metadata bytes, "
        "but only read 96; fetch or write it anew"
    )
    assert message(write("a.feather", b"ARROW1\0\0")).startswith("expected a whole Arrow file, but a.feather cannot be")
    for name in ("a.arrow", "a.parquet"):
        assert message(write(name, b"")).startswith(f"expected a whole {'Arrow' if 'w' in name else 'Parquet'} file, ")
    table = pa.table({"text": pa.array([b"\xff"], pa.binary()).view(pa.string())})
    with pa.ipc.new_file("b.arrow", table.schema) as writer:
        writer.write_table(table)
    assert message("b.arrow").startswith("expected a whole Arrow file, but b.arrow cannot be read: In column 0: ")


def test_arrow_without_rows():
    with pa.ipc.new_file("a.arrow", pa.schema({"text": pa.string()})):
        pass
    assert message("a.arrow") == "expected rows of text in a.arrow, but it is empty; is it the right file?"


def test_broken_gzip(write):
    whole = gzip.compress(CSV * 1000)
    for data in (CSV, whole[:-20], whole[:100] + b"x" + whole[101:]):
        assert message(write("a.csv.gz", data)) == (
            "expected a whole gzip file, but a.csv.gz is broken or not one; fetch or zip it anew"
        )


def test_broken_parquet(write):
    assert message(write("a.parquet", b"x" * 100)) == (
        "expected a whole Parquet file, but a.parquet cannot be read: Parquet magic bytes not found in footer. "
        "Either the file is corrupted or this is not a parquet file; fetch or write it anew"
    )
    pq.write_table(pa.table({"text": pa.array([b"\xff"], pa.binary()).view(pa.string())}), "b.parquet")
    assert message("b.parquet").startswith("expected a whole Parquet file, but b.parquet cannot be read: ")


# Columns


@pytest.mark.parametrize(
    ("names", "picked"),
    [
        (["id", "Text", "LABEL"], ("Text", "LABEL")),
        (["review", "sentence", "stars", "sentiment"], ("sentence", "sentiment")),
        ([" text", "label "], (" text", "label ")),
    ],
)
def test_usual_columns(names, picked):
    assert pick_columns(names, path="a.csv") == picked


def test_given_columns():
    assert pick_columns(["text", "label", "t", "l"], "t", "l", path="a.csv") == ("t", "l")
    assert pick_columns(["t"], "t", path="a.csv", need_label=False) == ("t", None)
    assert pick_columns(["text", "y"], path="a.csv", need_label=False) == ("text", "y")


NAME_THEM = "name them with --text-column / --label-column"


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        (
            ["a", "b"],
            {},
            f"expected the columns ['text', 'label'], but only ['a', 'b'] were found in a.csv; {NAME_THEM}",
        ),
        (["a", "y"], {}, f"expected the columns ['text', 'y'], but only ['a', 'y'] were found in a.csv; {NAME_THEM}"),
        (
            ["body", "b"],
            {},
            f"expected the columns ['body', 'label'], but only ['body', 'b'] were found in a.csv; {NAME_THEM}",
        ),
        (
            ["text", "label"],
            {"text_column": "txt"},
            "expected the columns ['txt', 'label'], but only ['text', 'label'] were found in a.csv; "
            f"nearest to 'txt': text; {NAME_THEM}",
        ),
        (
            ["text"],
            {"label_column": "mood", "need_label": False},
            f"expected the columns ['text', 'mood'], but only ['text'] were found in a.csv; {NAME_THEM}",
        ),
        (
            ["a"],
            {"need_label": False},
            "expected the columns ['text'], but only ['a'] were found in a.csv; name it with --text-column",
        ),
        (
            ["text", "label"],
            {"label_column": "text"},
            f"expected two columns in a.csv, found 'text' for both texts and labels; {NAME_THEM}",
        ),
        (["text", "label", "text"], {}, "expected one column 'text' in a.csv, found 2; rename the others"),
    ],
)
def test_column_errors(names, given, expected):
    with pytest.raises(DataError) as caught:
        pick_columns(names, path="a.csv", **given)
    assert str(caught.value) == expected


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_in_any_form(kind):
    column = pa.array(["a", None, "é"], pa.string()).cast(kind)
    texts = texts_of(column, path="a.csv", missing_as_empty=True)
    assert texts.type == pa.string()
    assert texts.to_pylist() == ["a", "", "é"]


@pytest.mark.parametrize(
    ("rows", "named"),
    [([4], "row 14"), ([0, 2], "row 10 (and 12)"), (range(9), "row 10 (and 11, 12, 13, 14 and 4 more)")],
)
def test_missing_texts(rows, named):
    column = pa.array([None if row in rows else "x" for row in range(20)])
    with pytest.raises(DataError) as caught:
        texts_of(column, path="a.csv", first_row=10)
    assert str(caught.value) == f"expected a text in each row of a.csv, but {named} has none; fill or remove it"


def test_texts_that_are_none():
    with pytest.raises(DataError) as caught:
        texts_of(pa.array([1, 2]), path="a.jsonl")
    assert str(caught.value) == (
        "expected texts in a.jsonl, found a column of int64; name the text column with --text-column"
    )
    with pytest.raises(DataError) as caught:
        texts_of(pa.array([b"\xff"]), path="a.parquet")
    assert str(caught.value) == (
        "expected UTF-8 texts in a.parquet, but those from row 1 on are not, or are over 2 GiB; write the file anew"
    )


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_file_with_another_separator_is_told(mark):
    with pytest.raises(DataError) as error:
        pick_columns([f"text{mark}label"], path="a.csv")
    assert str(error.value) == (
        f"expected the columns ['text', 'label'], but only {[f'text{mark}label']} were found in a.csv; "
        f"it seems to have {mark!r} between its fields: save it with commas, or with tabs as .tsv"
    )
