"""`example_gen` reads JSON Lines and TFRecords too, from disks and from stores."""

import functools
import gzip
import http.server
import json
import logging
import shutil
import threading

import fsspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.errors import ConfigurationError, DataError, SourceUnavailableError
from components.example_gen import OutputFormat, generate
from components.records import Window
from components.tfrecord import write_records

JANUARY = Window.parse("2013-01-01/2013-02-01")
ONE = {"train": 1}
LINE = b'{"n": 1, "pad": "%s"}\n' % (b"x" * 1000)


def frame(num_rows=500):
    times = pd.date_range("2013-01-01", "2013-02-28", periods=num_rows, tz="UTC").floor("s")
    return pd.DataFrame({"at": times, "n": range(num_rows), "x": [i / 4 for i in range(num_rows)]})


@pytest.fixture
def files(tmp_path):
    """The same rows in every form; the table of how they are called."""
    source, folder = frame(), tmp_path / "in"
    folder.mkdir()
    source.to_parquet(folder / "rows.parquet")
    shutil.copy(folder / "rows.parquet", folder / "parquet_by_its_bytes")
    source.to_csv(folder / "rows.csv.gz", index=False)
    lines = source.assign(at=source["at"].map(lambda at: at.isoformat()))
    lines.to_json(folder / "rows.jsonl", orient="records", lines=True)
    (folder / "rows.ndjson.gz").write_bytes(gzip.compress((folder / "rows.jsonl").read_bytes()))
    return folder


def make(source, output_dir, **arguments):
    chosen = {"window": JANUARY, "time_column": "at", **arguments}
    return generate(source=source, output_dir=output_dir, **chosen)


def test_all_forms_of_a_table_give_the_same_examples(files, tmp_path, rows_of):
    written = make(files / "rows.parquet", tmp_path / "out", splits=ONE)
    expected = frame()[frame()["at"] < "2013-02-01"]
    assert [row["n"][0] for row in rows_of(written)] == expected["n"].tolist()
    assert [row["x"][0] for row in rows_of(written)] == expected["x"].tolist()
    (record,) = (tmp_path / "out" / "Split-train").iterdir()
    shutil.copy(record, files / "rows.tfrecord.gz")
    (files / "tfrecord_by_its_bytes").write_bytes(gzip.decompress(record.read_bytes()))
    for name in sorted(path.name for path in files.iterdir()):
        again = make(files / name, tmp_path / "again", splits=ONE)
        assert again.digest == written.digest, name


def test_reads_what_tensorflow_writes(tmp_path, rows_of):
    """A feature that only some examples have, several values, bytes that are no text."""
    import tensorflow as tf

    def feature(kind, *values):
        lists = {"int64": tf.train.Int64List, "float": tf.train.FloatList}
        value = lists.get(kind, tf.train.BytesList)(value=values)
        return tf.train.Feature(**{f"{kind}_list": value})

    written = [
        {"at": feature("int64", 1357000000 + i), "tags": feature("bytes", *[b"\xff"] * (i % 3))}
        | ({"late": feature("float", i / 2)} if i >= 20_000 else {})
        for i in range(20_002)
    ]
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord"), "GZIP") as writer:
        for features in written:
            message = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(message.SerializeToString())
    rows = rows_of(make(tmp_path / "a.tfrecord", tmp_path / "out", splits=ONE))
    assert len(rows) == 20_002
    assert [row["tags"] for row in rows[:3]] == [[], [b"\xff"], [b"\xff", b"\xff"]]
    assert [row["late"] for row in rows[-3:]] == [[], [10_000.0], [10_000.5]]
    assert rows[5]["at"] == [1357000005]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", LINE * 6_000 + b'{"n": "x"}\n', "from number to string in row"),
        ("a.jsonl", LINE * 6_000 + b'{"m": 2}\n', "unexpected field: .*--features"),
        ("a.jsonl", b'[{"n": 1}]', "one object a line"),
        ("a.jsonl", b'{"n": 1}\n{"n": ', "can't be read"),
        ("a.jsonl", b'{"n": {"x": 1}}', r"'n' holds struct.* no place in a tf.Example"),
        ("a.jsonl.gz", gzip.compress(b'{"n": 1}\n' * 9999, mtime=0)[:-20], "[Tt]runcated"),
        ("a.csv.gz", gzip.compress(b"n\n" + b"1\n" * 9999, mtime=0)[:-20], "[Tt]runcated"),
        ("a.csv", b'n,m\nx,1\n"y,2\nz",3\n', "spans lines"),
        ("a.csv", 'n,m\nx,1\n"ö,2\nz",3\n'.encode("latin-1"), "spans lines"),
        ("a.csv", b'n,m\rx,1\r"y,2\rz",3\r', "spans lines"),
        ("a.tfrecord", b"x" * 40, "isn't a whole TFRecord file"),
        ("a.bin", b"hello, world, how are you", "neither CSV, JSON Lines, Parquet nor TFRecord"),
    ],
)
def test_names_what_is_broken_and_writes_nothing(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises((DataError, ConfigurationError), match=message):
        generate(source=tmp_path / name, splits=ONE, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_record_that_is_no_example_is_named(tmp_path):
    write_records(tmp_path / "a.tfrecord", [b"\n\x99no example"])
    with pytest.raises(DataError, match=r"records 0 to 0 of .*a\.tfrecord' can't be read"):
        generate(source=tmp_path / "a.tfrecord", output_dir=tmp_path / "out")


def test_a_feature_that_changes_its_type_between_examples_is_named(tmp_path):
    import tensorflow as tf

    one = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"1"]))
    examples = [
        tf.train.Example(features=tf.train.Features(feature={"n": value})).SerializeToString()
        for value in [one] * 16_384 + [text]
    ]
    write_records(tmp_path / "a.tfrecord", examples)
    with pytest.raises(DataError, match=r"'n' of .* from about example 16,384 on, but int64"):
        generate(source=tmp_path / "a.tfrecord", output_dir=tmp_path / "out")


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_shards_hold_all_rows_and_tensorflow_reads_them(files, tmp_path, shards, compression):
    import tensorflow as tf

    output = OutputFormat(shards, compression)
    one = make(files / "rows.parquet", tmp_path / "1", output=output)
    two = make(files / "rows.parquet", tmp_path / "2", output=output, num_workers=2)
    assert one.digest == two.digest
    ending = ".gz" if compression == "gzip" else ""
    names = sorted(path.name for path in (tmp_path / "1" / "Split-train").iterdir())
    assert names == [f"data_tfrecord-{i:05d}-of-{shards:05d}{ending}" for i in range(shards)]
    paths = sorted(map(str, (tmp_path / "1").glob(one.splits["train"].file_pattern)))
    read = tf.data.TFRecordDataset(paths, "GZIP" if ending else "")
    assert len(list(read)) == one.splits["train"].num_examples


def test_a_shard_without_rows_can_be_read(tmp_path):
    import tensorflow as tf

    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    generate(
        source=tmp_path / "a.csv", splits=ONE, output=OutputFormat(5), output_dir=tmp_path / "o"
    )
    paths = sorted(map(str, (tmp_path / "o" / "Split-train").iterdir()))
    assert len(paths) == 5
    assert len(list(tf.data.TFRecordDataset(paths, "GZIP"))) == 2


def upload(files, url):
    file_system, root = fsspec.url_to_fs(url)
    file_system.put(f"{files}/", f"{root}/", recursive=True)


def test_reads_from_a_store_as_from_a_disk(files, tmp_path):
    upload(files, "memory://flights")
    for name in ("rows.parquet", "rows.csv.gz", "rows.ndjson.gz", "*.parquet"):
        here = make(files / name, tmp_path / "here")
        there = make(f"memory://flights/{name}", tmp_path / "there")
        assert here.digest == there.digest, name
    with pytest.raises(ConfigurationError, match=r"memory://flights/none' holds no files"):
        make("memory://flights/none", tmp_path / "out")
    with pytest.raises(ConfigurationError, match=r"nowhere://x' can't be opened"):
        make("nowhere://x", tmp_path / "out")


@pytest.fixture
def web(files):
    """A web server of this machine's that doesn't know ranges, as Python's."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=str(files))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_reads_from_the_web_and_tells_a_server_that_is_away(files, tmp_path, web):
    here = make(files / "rows.csv.gz", tmp_path / "here")
    assert make(f"{web}/rows.csv.gz", tmp_path / "there").digest == here.digest
    with pytest.raises(ConfigurationError, match="holds no files"):
        make(f"{web}/nothing.csv", tmp_path / "out")
    with pytest.raises(SourceUnavailableError, match="can't be reached"):
        make("http://127.0.0.1:1/rows.csv", tmp_path / "out")


@pytest.fixture
def bucket(monkeypatch):
    """A bucket on a real S3 endpoint of this machine's."""
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("flights")
    yield "s3://flights"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_reads_from_a_bucket(files, tmp_path, bucket):
    upload(files, f"{bucket}/in")
    here = make([files / "rows.parquet"], tmp_path / "here")
    there = make(f"{bucket}/in/rows.par*", tmp_path / "there")
    assert here.digest == there.digest
    with pytest.raises(SourceUnavailableError, match=r"no-such-bucket.*can't be reached"):
        make("s3://no-such-bucket/*.parquet", tmp_path / "out")


def test_several_sources_are_one_table_whatever_their_order(files, tmp_path):
    half = pq.read_table(files / "rows.parquet")
    pq.write_table(half.slice(0, 100), tmp_path / "a.parquet")
    pq.write_table(half.slice(100), tmp_path / "b.parquet")
    whole = make(files / "rows.parquet", tmp_path / "1")
    one = make([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "2")
    two = make([tmp_path / "b.parquet", tmp_path / "*.parquet"], tmp_path / "3")
    assert one.digest == two.digest == whole.digest


def test_json_lines_may_leave_keys_out_and_hold_lists(tmp_path, rows_of):
    lines = [{"n": 1, "words": ["a", "b"], "u": None}, {"words": []}, {"n": 3}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "b.jsonl").write_text("")
    examples = generate(source=tmp_path, splits=ONE, output_dir=tmp_path / "out")
    assert rows_of(examples) == [
        {"n": [1], "words": [b"a", b"b"], "u": []},
        {"n": [], "words": [], "u": []},
        {"n": [3], "words": [], "u": []},
    ]
