"""Datasets of the Hub as sources, with a stand-in for the Hub."""

import sys
from types import SimpleNamespace

import pytest

from t2t.data import blocks
from t2t.data.hub_stream import HubStream, text_sources
from t2t.errors import MissingDataError


class FakeRows(list):
    def skip(self, count: int) -> "FakeRows":
        return FakeRows(self[count:])


@pytest.fixture
def calls(monkeypatch) -> list[tuple]:
    """What was asked of the Hub, which holds one dataset of four rows."""
    asked: list[tuple] = []

    def load_dataset(path, name, *, split, streaming, revision):
        asked.append((path, name, split, streaming, revision))
        if path != "example/texts":
            raise ConnectionError("no route to the Hub")
        return FakeRows({"text": f"text {number}"} for number in range(4))

    hub = SimpleNamespace(dataset_info=lambda path: SimpleNamespace(sha="c0ffee"))
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return asked


@pytest.mark.parametrize(
    ("name", "configuration", "split"),
    [
        ("hub:example/texts", None, "train"),
        ("hub:example/texts:en", "en", "train"),
        ("hub:example/texts:en:test", "en", "test"),
        ("hub:example/texts::test", None, "test"),
    ],
)
def test_a_name_gives_configuration_and_split_and_the_commit_is_pinned(calls, name, configuration, split):
    stream = HubStream(name)
    assert calls == [("example/texts", configuration, split, True, "c0ffee")]
    assert (stream.name, stream.version, stream.num_bytes) == (name, "c0ffee", None)


def test_rows_come_in_blocks(calls, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 12)
    found = list(HubStream("hub:example/texts").blocks("text"))
    assert [block.texts() for block in found] == [["text 0", "text 1"], ["text 2", "text 3"]]


def test_rows_that_are_done_are_skipped_on_the_hub(calls, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 12)
    (block,) = HubStream("hub:example/texts").blocks("text", skip_blocks=1, skip_rows=2)
    assert block.texts() == ["text 2", "text 3"]


def test_rows_that_break_off_name_the_dataset_and_no_disk(calls, monkeypatch):
    def broken(rows):
        yield {"text": "text 0"}
        raise ConnectionError("server disconnected")

    monkeypatch.setattr(FakeRows, "__iter__", broken)
    with pytest.raises(MissingDataError) as caught:
        list(HubStream("hub:example/texts").blocks("text"))
    assert str(caught.value) == (
        '"hub:example/texts" broke off: ConnectionError: server disconnected\n'
        "  mend:  check the network and start again: it goes on where it was"
    )


def test_a_failure_names_the_dataset(calls):
    with pytest.raises(MissingDataError) as caught:
        HubStream("hub:example/other")
    assert str(caught.value) == (
        '"hub:example/other" cannot be had: ConnectionError: no route to the Hub\n'
        "  mend:  check the id and the network, or use local files"
    )


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDataError) as caught:
        HubStream("hub:example/texts")
    assert str(caught.value) == (
        '"hub:example/texts" needs the package "datasets"\n  mend:  pip install "t2t[hub]"'
    )


def test_files_come_before_streams(calls, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    sources = text_sources(["hub:example/texts", str(tmp_path / "a.txt"), "hub:example/texts"])
    assert [source.name for source in sources] == [str(tmp_path / "a.txt"), "hub:example/texts"]
