"""The store on s3://, against a server that speaks S3 on loopback."""

import os
import re
import signal

import pytest
from tests.builders.killing import Command, notes, tree

from worldprobe.errors import StoreError
from worldprobe.store import Store
from worldprobe.video.rendered.scenes import render_scenes

BUCKET = "films"


@pytest.fixture(scope="module")
def s3():
    """The environment in which s3:// is a server of our own."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: make extras")
    server_of = pytest.importorskip("moto.server", reason="moto is not installed: make extras")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1,localhost",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        import boto3

        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield environment
    server.stop()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return render_scenes(5, 5, tmp_path_factory.mktemp("films"))[0].parent


def objects(prefix):
    import boto3

    listed = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    read = boto3.client("s3").get_object
    keys = [one["Key"] for one in listed.get("Contents", [])]
    return {key.removeprefix(prefix): read(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def encode(folder, films, store, **environment):
    asked = ("encode", films, "--encoder", "tests.builders.killing:Counting", "--frames", 8, "--store", store)
    return Command(*asked, folder=folder, **environment)


def test_two_writers_at_once_and_what_they_leave_is_what_a_folder_holds(s3, films, tmp_path):
    alone = encode(tmp_path / "alone", films, "store", **s3)
    # Each with a cache of its own, as two machines have: neither knows of the other.
    both = [
        encode(tmp_path / name, films, f"s3://{BUCKET}/both", WORLDPROBE_CACHE=str(tmp_path / name / "cache"), **s3)
        for name in ("one", "two")
    ]
    assert [command.end() for command in (alone, *both)] == [0, 0, 0], [c.said for c in (alone, *both)]
    assert objects("both/") == tree(tmp_path / "alone" / "store")
    done = encode(tmp_path / "three", films, f"s3://{BUCKET}/both", **s3)
    assert done.end() == 0, done.said
    assert notes(done.folder / "notes") == []


@pytest.mark.slow
def test_a_kill_while_writing_to_s3_leaves_whole_objects(s3, films, tmp_path):
    first = encode(tmp_path, films, f"s3://{BUCKET}/killed", KILL="write 3", **s3)
    assert first.end() == -signal.SIGKILL, first.said
    assert sum(".0.0" in key for key in objects("killed/")) == 3
    assert encode(tmp_path, films, f"s3://{BUCKET}/killed", **s3).end() == 0
    alone = encode(tmp_path / "alone", films, "store", **s3)
    assert alone.end() == 0
    assert objects("killed/") == tree(tmp_path / "alone" / "store")


def test_damage_is_found_and_made_anew(s3, films, tmp_path):
    import boto3

    url = f"s3://{BUCKET}/damaged"
    assert encode(tmp_path, films, url, **s3).end() == 0
    whole = objects("damaged/")
    key = next(key for key in whole if "/c.1.0" in key)
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"damaged/{key}", Body=whole[key][:-1] + b"\x55")
    video = key[:24]
    store = Store(url)
    [(series, blocks)] = store.find(video + "0" * 40, encoder="counting")
    with pytest.raises(StoreError, match=r"clip 1 of .* is damaged"):
        list(store.read(series, blocks[0]))
    assert store.drop_damaged(series, blocks) == [1]
    assert store.pending(series, blocks) == [1]
    assert encode(tmp_path, films, url, **s3).end() == 0
    assert objects("damaged/") == whole


def test_what_is_wrong_with_an_address_is_said(s3, films, tmp_path):
    for store, said in (
        ("s3://no-such-bucket/store", "cannot .* the store s3://no-such-bucket/store"),
        ("nowhere://x/store", "nowhere://x/store is no place for a store"),
    ):
        command = encode(tmp_path / store[:4], films, store, **s3)
        assert command.end() == 1
        assert "Traceback" not in command.said
        assert re.search(said, command.said), command.said


def test_a_server_that_is_gone_is_an_error_and_not_a_wait(s3, films, tmp_path):
    away = {**s3, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    command = encode(tmp_path, films, f"s3://{BUCKET}/x", **{**os.environ, **away})
    assert command.end() == 1
    assert "cannot read the store" in command.said
    assert "Traceback" not in command.said
