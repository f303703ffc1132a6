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
from textcnn.data import _rows, decoding
from textcnn.data.local_files import FORMATS, has_columns, read_batches, read_table
from textcnn.errors import ConfigError, DataError

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


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_tsv_rows_are_lines_and_fields_as_written(write, monkeypatch, block, end):
    monkeypatch.setattr(decoding, "BLOCK", block)
    lines = [
        (b'"a b\t1', ('"a b', "1")),
        (b'"c d\t0', ('"c d', "0")),
        (b'the end"\t0', ('the end"', "0")),
        (b'"quoted" start\t1', ('"quoted" start', "1")),
        (b'"\t"', ('"', '"')),
        (b'"whole ""field"""\t""', ('whole "field"', "")),
        (b'"a\tb"\t1', ("a\tb", "1")),
        (b'"x\ty"', ('"x', 'y"')),
    ]
    data = end.join([b"text\tlabel", *(line for line, _ in lines)]) + end
    table = read_table(write("a.tsv", data))
    assert list(zip(*table.to_pydict().values(), strict=True)) == [row for _, row in lines]


def test_tsv_with_rows_over_several_lines(write):
    refusal = message(write("a.tsv", b'text\tlabel\na\t1\n"b\nc"\t2\n'))
    assert "expected 2 columns in every row of a.tsv" in refusal
    assert "line 3 has 1" in refusal
    assert "as CSV" in refusal


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", 'text;label\nlovely, "warm";good\nawful;bad\n'),
        ("a.csv", 'text;label\n"lovely, ""warm""";"good"\nawful;bad\n'),
        ("a.csv", '"text"|label\nlovely, "warm"|good\nawful|bad\n'),
        ("a.csv", 'text\tlabel\nlovely, "warm"\tgood\nawful\tbad\n'),
        ("a.tsv", 'text;label\nlovely, "warm";good\nawful;bad\n'),
        ("a.csv", 'sep=;\ntext;label\nlovely, "warm";good\nawful;bad\n'),
        ("a.csv", '"sep=,"\ntext,label\n"lovely, ""warm""",good\nawful,bad\n'),
        ("a.csv", '# by; me\n#\n\ntext,label\n"lovely, ""warm""",good\nawful,bad\n'),
        ("a.csv", '"text", "label"\n"lovely, ""warm""",   "good"\nawful, "bad"\n'),
        ("a.csv", '# x\ntext; "label"\n"lovely, ""warm"""; good\nawful; "bad"\n'),
    ],
)
def test_dialects(write, monkeypatch, block, name, data):
    monkeypatch.setattr(decoding, "BLOCK", block)
    for text in (data, data.replace("\n", "\r\n"), data[:-1]):
        assert read_table(write(name, text.encode())).to_pylist() == [
            {"text": 'lovely, "warm"', "label": "good"},
            {"text": "awful", "label": "bad"},
        ]


@pytest.mark.parametrize("given", ["^", "tab", "\\t", "\t"])
def test_delimiter_given(write, given):
    mark = "^" if given == "^" else "\t"
    table = read_table(write("a.csv", f"text;{mark}label,\na{mark}b,\n".encode()), delimiter=given)
    assert table.to_pylist() == [{"text;": "a", "label,": "b,"}]


@pytest.mark.parametrize("given", ["", ";;", "é", '"', "\n", "a"])
def test_delimiter_that_is_none(write, given):
    with pytest.raises(ConfigError, match="one ASCII character"):
        read_table(write("a.csv", CSV), delimiter=given)


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_fields_as_written(write, monkeypatch, block, name):
    monkeypatch.setattr(decoding, "BLOCK", block)
    mark = "," if name == "a.csv" else "\t"
    rows = [['"a', 'b"'], ['say "hi"', '""'], ['"quoted"', "x"], ["'", '"'], ["", "y"]]
    data = "".join(f"{mark.join(row)}\n" for row in [["text", "label"], *rows]).encode()
    found = read_table(write(name, data), quoting="none").to_pylist()
    assert [[row["text"] or "", row["label"]] for row in found] == rows
    assert found[-1]["text"] is None
    found = read_table(write(name, data), quoting="none", header=False).to_pylist()
    assert [[row["1"] or "", row["2"]] for row in found] == [["text", "label"], *rows]


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_characters="\r\n\0,", codec="utf-8"), min_size=1)] * 2), min_size=1
    )
)
def test_fields_as_written_are_those_between_delimiters(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("".join(f"{a},{b}\n" for a, b in [("text", "label"), *rows]), encoding="utf-8", newline="")
    found = read_table(path, quoting="none").to_pydict()
    assert list(zip(found["text"], found["label"], strict=True)) == rows


def test_a_delimiter_within_a_field_as_written(write):
    write("a.csv", b'text,label\na,1\n"b, c",2\n')
    assert "line 3 has 3; fields as written (--quoting none) cannot contain a comma" in message("a.csv", quoting="none")
    assert "line 3 has 1; quote" in message(write("a.csv", b"text,label\na,1\nb\n"), quoting="none")
    assert read_table(write("a.csv", b'text;label\n"a;1\n'), quoting="none").to_pylist() == [
        {"text": '"a', "label": "1"}
    ]
    assert "--quoting none" in message(write("a.csv", b'text,label\n"a" b,1\n'))
    assert "--quoting none" in message(write("a.csv", b'text,label\n"a,1\n'))
    with pytest.raises(ConfigError, match="expected auto or none as quoting, found 'all'"):
        read_table("a.csv", quoting="all")


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'1,"a, b",x\n2,c,y\n'),
        ("a.csv", b'\xef\xbb\xbf\n\r\n1,"a, b",x\r\n2,c,y'),
        ("a.csv", b'sep=;\n1;"a, b";x\n2;c;y\n'),
        ("a.tsv", b"1\ta, b\tx\n2\tc\ty\n"),
    ],
)
def test_columns_without_a_header_are_numbered(write, monkeypatch, block, name, data):
    monkeypatch.setattr(decoding, "BLOCK", block)
    assert read_table(write(name, data), header=False).to_pydict() == {
        "1": ["1", "2"],
        "2": ["a, b", "c"],
        "3": ["x", "y"],
    }


def test_without_a_header_no_row_is_taken_for_anything_else(write):
    rows = read_table(write("a.csv", b"#a,b\n#c,d\nc,d\n"), header=False)
    assert rows["1"].to_pylist() == ["#a", "#c", "c"]
    assert read_table(write("a.csv", b"a;b\nc;d\n"), header=False).to_pydict() == {"1": ["a;b", "c;d"]}
    found = read_table(write("a.csv", b"a;b\nc;d\n"), header=False, delimiter=";").to_pydict()
    assert found == {"1": ["a", "c"], "2": ["b", "d"]}
    assert read_table(write("a.csv", b"a,b"), header=False).to_pylist() == [{"1": "a", "2": "b"}]
    assert "expected 2 columns in every row of a.csv, as in its first, but line 2 has 3" in message(
        write("a.csv", b"a,b\nc,d,e\n"), header=False
    )
    assert "rows of text" in message(write("a.csv", b"\n\n"), header=False)
    for name in ("a.jsonl", "a.txt", "a.parquet"):
        with pytest.raises(ConfigError, match=f"a CSV or TSV to read without a header, found {name}; leave out"):
            read_table(write(name, b"a"), header=False)


def test_what_is_no_dialect(write):
    assert read_table(write("a.csv", b"#id,text\n1,a\n")).column_names == ["#id", "text"]
    assert read_table(write("a.csv", b"#text\na\n")).column_names == ["#text"]
    assert read_table(write("a.csv", b"text\na;b\n"))["text"].to_pylist() == ["a;b"]
    assert read_table(write("a.csv", b'text,label\n a, "b" c\n'))["label"].to_pylist() == [' "b" c']
    assert read_table(write("a.csv", b'text,label\n"a, ""b"" c", d\n'))["label"].to_pylist() == [" d"]
    assert read_table(write("a.csv", b"text;more\na\nb;c;d\n")).column_names == ["text;more"]


def test_lines_are_counted_from_the_start_of_the_file(write):
    assert "line 5 has 3" in message(write("a.csv", b"sep=;\n# x\ntext;label\na;b\na;b;c\n"), delimiter=";")
    assert "line 4 of a.csv" in message(write("a.csv", b'sep=;\ntext;label\na;b\n"a" b;c\n'))


def test_another_delimiter_is_suggested(write):
    refusal = message(write("a.csv", b"text;label\na, b;1;2\n"))
    assert "line 2 has 2" in refusal
    assert "--delimiter ';'" in refusal


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
    monkeypatch.setattr(decoding, "BLOCK", block)
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
    monkeypatch.setattr(decoding, "BLOCK", 8)
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


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_array(write, monkeypatch, block, indent, name):
    monkeypatch.setattr(decoding, "BLOCK", block)
    rows = [{"text": 'a, ]\n"é', "label": 1}, {"text": "b", "label": 2}]
    data = json.dumps(rows, indent=indent, ensure_ascii=False)
    assert read_table(write(name, f"\ufeff\n {data}\n\n".encode())).to_pylist() == rows


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("[]", "it is empty"),
        ('[{"a": 1}, 12]', "record 2 of a.json is a number"),
        ('[{"a": 1}, {"a": "x"}]', "'a' in record 2 of a.json is a string, and a number before"),
        ('[{"a": 1} {"a": 2}]', "record 2 or what precedes it is not JSON: expected a comma"),
        ('[{"a": 1}, ]', "record 2 or"),
        ('[{"a": 1},', "record 2 or what precedes it is not JSON: the array is not closed"),
        ('[{"a": 1}', "the array is not closed"),
        ("[", "the array is not closed"),
        ('[{"a": 1}, {"a', "record 2 or what precedes it is not JSON"),
        ('[{"a": 1}]\n[{"a": 2}]', "more after the array"),
        ('[{"a": ' + "[" * 99 + "]" * 99 + "}]", "record 1 of a.json is deeper"),
        ('[{"a": ' + "1" * 5000 + "}]", "record 1 of a.json has too long a number"),
    ],
)
def test_bad_json_array(write, monkeypatch, block, data, found):
    monkeypatch.setattr(decoding, "BLOCK", block)
    refusal = message(write("a.json", data.encode()))
    assert found in refusal
    assert len(refusal) < 300


@pytest.mark.parametrize(
    "value",
    [
        {"text": {str(i): "a" for i in range(3000)}, "label": {str(i): 1 for i in range(3000)}},
        {"text": ["a"] * 3000, "label": [1] * 3000},
        {"data": [{"text": "a", "label": 1}] * 3000},
    ],
)
def test_json_by_column(write, value):
    refusal = message(write("a.json", json.dumps(value).encode()))
    assert "a single one in a.json" in refusal
    assert "orient='records'" in refusal
    assert len(refusal) < 300


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
    monkeypatch.setattr(decoding, "BLOCK", block)
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
    with pytest.raises(DataError, match="no a.txt"):
        has_columns("a.txt")


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
        patch.setattr(decoding, "BLOCK", block)
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
    assert "no revews.csv; nearest to 'revews.csv': reviews.csv" in message("revews.csv")
    assert "no none/a.csv, nor a folder none" in message("none/a.csv")
    assert "no xxx" in message("x" * 5000)


def test_folder(tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert "the folder a.csv" in message("a.csv")


def test_unknown_ending(write):
    for name in ("a.doc", "a.parquet.gz", "a.feather.gz"):
        found = message(write(name, b""))
        assert ".csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq, .arrow, .feather, .txt, .ft" in found
        assert f"found {name}" in found


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_empty(write, name, data):
    assert f"{name}, but it is empty" in message(write(name, data))


def test_header_only(write):
    assert "header of a.csv, found only ['text', 'label']" in message(write("a.csv", b"text,label\n\n"))


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize(("row", "found"), [(b"x,1,2", 3), (b"x", 1)])
def test_ragged(write, monkeypatch, block, row, found):
    monkeypatch.setattr(decoding, "BLOCK", block)
    refusal = message(write("a.csv", b'text,label\n"a\nb",1\n\nc,2\n' + row + b"\nd,3\n"))
    assert "expected 2 columns in every row of a.csv" in refusal
    assert f"line 6 has {found};" in refusal
    assert "a comma" in refusal


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_bad_quotes(write, monkeypatch, block):
    monkeypatch.setattr(decoding, "BLOCK", block)
    unclosed = message(write("a.csv", b'text,label\n"a\n""b""",1\n"c,2\nd,3\n'))
    assert "the quote opened in line 4 of a.csv never is" in unclosed
    followed = message(write("a.csv", b'text,label\n"a\nb",1\n"c" d,2\n'))
    assert "expected a comma or" in followed
    assert "after a closing quote, found ' ' in line 4 of a.csv" in followed


@pytest.mark.parametrize("end", [b"", b'"', b'""', b'"",', b'""""'])
def test_quotes_at_the_end_pair_or_do_not(write, end):
    data = b"text,label\na," + end
    if end in (b"", b'""', b'""""'):
        assert read_table(write("a.csv", data)).num_rows == 1
    else:
        assert message(write("a.csv", data))


def test_rows_without_end(write, monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK", 1 << 10)
    monkeypatch.setattr(_rows, "LONGEST_ROW", 1 << 20)
    refusal = message(write("a.csv", b'text,label\n"' + b"x\n" * (1 << 20)))
    assert "at most 1 MiB" in refusal
    assert "line 2 of a.csv is longer; is its quote never closed" in refusal
    refusal = message(write("a.txt", b"x\n" + b"x" * (1 << 21)))
    assert "line 2 of a.txt is longer; is it a text file" in refusal


def test_carriage_returns_alone(write):
    assert "a.csv ends them in carriage returns" in message(write("a.csv", b"text,label\ra,1\r"))


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_other_bytes_than_utf8(write, monkeypatch, block, name):
    monkeypatch.setattr(decoding, "BLOCK", block)
    refusal = message(write(name, "text,label\ngut,1\nbö".encode() + b"\xc3\xe9,2\n"))
    assert f"UTF-8 text, but {name} has the byte 0xc3 at offset 20 (line 3)" in refusal
    assert refusal.endswith("name its encoding with --encoding")


@pytest.mark.parametrize(("block", "far"), [(7, 0), (7, 5_000), (1 << 20, 0), (1 << 20, 100_000)])
@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        ("it’s a “fine” film for 5€", "cp1252"),
        ("der Film war schön und süß, die Musik müde", "cp1252"),
        ("这部电影非常好看，我很喜欢", "gb18030"),
        ("這部電影非常好看，我很喜歡", "big5"),
        ("この映画はとても面白いです", "cp932"),
        ("この映画はとても面白いです", "euc_jp"),
        ("이 영화는 정말 재미있어요", "cp949"),
        ("Фильм очень хороший, смотреть всем", "cp1251"),
        ("Фильм очень хороший, смотреть всем", "koi8-r"),
    ],
)
def test_an_encoding_that_fits_is_suggested(write, monkeypatch, block, far, line, encoding):
    monkeypatch.setattr(decoding, "BLOCK", block)
    data = ("text,label\n" + "plain,1\n" * (far // 8) + f'"{line}",1\n').encode(encoding)
    refusal = message(write("a.csv", data))
    assert f"--encoding {encoding} " in refusal
    assert line in refusal
    assert len(refusal) < 300


def test_utf8_is_suggested_for_another_encoding(write):
    assert "--encoding utf-8 " in message(write("a.csv", "text,label\nü,1\n".encode()), encoding="ascii")


def test_utf8_cut_in_a_character(write):
    assert "a.txt has the byte 0xc3 at offset 3 (line 2)" in message(write("a.txt", b"a\nb\xc3"))


def test_wrong_encoding_given(write):
    refusal = message(write("a.txt", "a\nb\n".encode("utf-16")[:-1]), encoding="utf-16")
    assert "UTF-16 text, but a.txt has the byte 0x0a at offset 8 (line 2)" in refusal
    assert "UTF-7 text, but a.txt is not" in message(write("a.txt", b"a+2AA-"), encoding="utf-7")


@pytest.mark.parametrize("encoding", ["utf-9", "zlib", "", "a\0b"])
def test_unknown_encoding(write, encoding):
    assert f"name of a text encoding, such as utf-8, utf-16, latin-1 or cp1252, found {encoding!r}" in message(
        write("a.csv", CSV), encoding=encoding
    )


def test_nul(write):
    assert "a.csv has a NUL byte in line 3" in message(write("a.csv", b"text,label\na,1\nb\0c,2\n"))


@pytest.mark.parametrize(
    ("written", "named"),
    [("utf-16", "utf-16"), ("utf-32", "utf-32"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_utf16(write, written, named, name):
    write(name, '{"text": "é"}\n'.encode(written))
    refusal = message(name)
    assert f"UTF-8 text, but {name} looks like {named.upper()}" in refusal
    assert refusal.endswith(f"--encoding {named}")
    if name == "a.jsonl":
        assert read_table(name, encoding=named).to_pylist() == [{"text": "é"}]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"text": ', "line 3 of a.jsonl is not JSON: Expecting value at column 10"),
        (b'{"a": 1} {"a": 2}', "line 3 of a.jsonl is not JSON: Extra data at column 10"),
        (b"[1]", "line 3 of a.jsonl is a list"),
        (b"null", "line 3 of a.jsonl is null"),
    ],
)
def test_bad_json(write, line, found):
    refusal = message(write("a.jsonl", b'{"text": "a"}\n\n' + line + b"\n"))
    assert 'expected a JSON object, such as {"text": ..., "label": ...}' in refusal
    assert found in refusal


def test_json_object_over_lines(write):
    assert "line 1 of a.json is not JSON: Expecting value at column 9" in message(write("a.json", b'{"text":\n"a"}\n'))


@pytest.mark.parametrize("block", [1, 1 << 20])
def test_json_of_differing_types(write, monkeypatch, block):
    monkeypatch.setattr(decoding, "BLOCK", block)
    refusal = message(write("a.jsonl", b'{"text": "a", "label": 1}\n{"text": "b", "label": "x"}\n'))
    assert "'label' in line 2 of a.jsonl is a string, and a number before" in refusal


def test_json_values_that_cannot_be_kept(write):
    refusal = message(write("a.jsonl", b'{"text": "a"}\n{"text": "\\ud800"}\n'))
    assert "'text' in line 2 of a.jsonl cannot be read" in refusal
    assert "surrogates not allowed" in refusal
    refusal = message(write("a.jsonl", b'{"id": 1}\n{"id": 99999999999999999999}\n'))
    assert "'id' in line 2 of a.jsonl cannot be read" in refusal
    assert "int too large" in refusal
    refusal = message(write("a.jsonl", b'{"id": ' + b"1" * 5000 + b"}\n"))
    assert "line 1 of a.jsonl has too long a number" in refusal
    refusal = message(write("a.jsonl", b'{"id": [1]}\n{"id": ["a"]}\n'))
    assert "those in a.jsonl differ: Could not convert 'a'" in refusal


def test_json_nested_too_deeply(write):
    deep = b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert "at most 64 deep, but line 2 of a.jsonl is deeper" in message(write("a.jsonl", b'{"x": []}\n' + deep))
    assert read_table(write("a.jsonl", b'{"x": "\\"' + b"[" * 1000 + b'"}')).num_rows == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [("__label__a __label__b x", "x"), ("__label__a x __label__b y", "x y"), ("__label__a\t__label__b", "")],
)
def test_several_labels_on_a_line(write, line, text):
    name = write("a.txt", f"__label__a x__label__y\n{line}\n".encode())
    assert read_table(name).to_pylist() == [{"text": "x__label__y", "label": "a"}, {"text": text, "label": "a b"}]


def test_broken_arrow(write):
    refusal = message(write("a.arrow", b"x" * 100))
    assert "Arrow file, but a.arrow cannot be read: Expected to read 2021161080 metadata bytes" in refusal
    assert "Arrow file, but a.feather cannot be read: " in message(write("a.feather", b"ARROW1\0\0"))
    for name in ("a.arrow", "a.parquet"):
        assert f"{'Arrow' if 'w' in name else 'Parquet'} file, but {name} cannot be read" in message(write(name, b""))
    table = pa.table({"text": pa.array([b"\xff"], pa.binary()).view(pa.string())})
    with pa.ipc.new_file("b.arrow", table.schema) as writer:
        writer.write_table(table)
    assert "b.arrow cannot be read: In column 0: " in message("b.arrow")


def test_arrow_without_rows():
    with pa.ipc.new_file("a.arrow", pa.schema({"text": pa.string()})):
        pass
    assert "a.arrow, but it is empty" in message("a.arrow")


def test_broken_gzip(write):
    whole = gzip.compress(CSV * 1000)
    for data in (CSV, whole[:-20], whole[:100] + b"x" + whole[101:]):
        assert "gzip file, but a.csv.gz is damaged" in message(write("a.csv.gz", data))


def test_broken_parquet(write):
    refusal = message(write("a.parquet", b"x" * 100))
    assert "Parquet file, but a.parquet cannot be read: Parquet magic bytes not found in footer" in refusal
    pq.write_table(pa.table({"text": pa.array([b"\xff"], pa.binary()).view(pa.string())}), "b.parquet")
    assert "Parquet file, but b.parquet cannot be read: " in message("b.parquet")
