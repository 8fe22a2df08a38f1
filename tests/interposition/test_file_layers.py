"""Buffers and text layers that a program puts around a file object by hand."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from beside import beside, outcomes

from schedule_explorer import Verdict, explore, fresh_dir
from schedule_explorer.errors import UncontrolledCallError
from schedule_explorer.interposition.install import interposed


class EarlyWriter(io.BufferedWriter):
    pass


class EarlyFile(io.FileIO):
    def __init__(self, path: Any, mode: str) -> None:
        super().__init__(path, mode)


MAKERS: dict[str, Callable[[Any], Any]] = {
    "writer": lambda path: io.BufferedWriter(io.FileIO(path, "w")),
    "small writer": lambda path: io.BufferedWriter(raw=io.FileIO(path, "w"), buffer_size=1),
    "random": lambda path: io.BufferedRandom(io.FileIO(path, "w+")),
    "around open": lambda path: io.BufferedWriter(open(path, "wb", buffering=0)),
    "after detach": lambda path: io.BufferedWriter(open(path, "wb").detach()),
    "text": lambda path: io.TextIOWrapper(io.BufferedWriter(io.FileIO(path, "w")), "ascii"),
    "text around open": lambda path: io.TextIOWrapper(open(path, "wb"), write_through=True),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_two_writers_in_both_orders(kind: str) -> None:
    def body() -> Any:
        path = fresh_dir() / "f"
        file = MAKERS[kind](path)
        a, b = ("a", "b") if "text" in kind else (b"a", b"b")
        thread = beside(lambda: file.write(a))
        file.write(b)
        thread.join()
        file.close()
        return path.read_text()

    assert outcomes(body) == {"ab", "ba"}


def test_two_readers_share_a_buffer() -> None:
    def body() -> Any:
        path = fresh_dir() / "f"
        path.write_bytes(b"0123456789")
        file = io.BufferedReader(io.FileIO(path), 4)
        found: list[bytes] = []
        thread = beside(lambda: found.append(file.read(6)))
        mine = file.read(6)
        thread.join()
        return mine, *found

    assert outcomes(body) == {(b"012345", b"6789"), (b"6789", b"012345")}


def test_a_buffered_write_is_seen_at_the_flush() -> None:
    def body() -> None:
        path = fresh_dir() / "f"
        path.touch()

        def write() -> None:
            file = io.BufferedWriter(io.FileIO(path, "w"))
            file.write(b"a")
            file.flush()

        thread = beside(write)
        thread.join()
        assert path.read_bytes() == b"a"

    assert explore(body).verdict is Verdict.PROVED


def test_a_class_derived_in_the_body() -> None:
    def body() -> Any:
        class Own(io.BufferedWriter):
            def twice(self, what: bytes) -> None:
                self.write(what)
                self.write(what)

        path = fresh_dir() / "f"
        file = Own(io.FileIO(path, "w"))
        assert isinstance(file, io.BufferedWriter) and issubclass(Own, io.BufferedWriter)
        assert not isinstance(io.BytesIO(), Own)
        thread = beside(lambda: file.twice(b"a"))
        file.write(b"b")
        thread.join()
        file.close()
        return path.read_bytes()

    assert outcomes(body) == {b"baa", b"aba", b"aab"}


@pytest.mark.parametrize(
    "made",
    [
        lambda path: io.TextIOWrapper(io.BufferedReader(io.FileIO(path))),
        lambda path: io.TextIOWrapper(open(path, "rb")),
        lambda path: io.TextIOWrapper(open(path).detach()),
    ],
)
def test_a_text_layer_made_by_hand_has_no_lock(made: Callable[[Any], Any]) -> None:
    def body() -> None:
        path = fresh_dir() / "f"
        path.write_text("1\n2\n")
        file = made(path)
        thread = beside(file.readline)
        file.readline()
        thread.join()

    result = explore(body)
    assert result.verdict is Verdict.UNFINISHED and "could be within each other" in result.reason


@pytest.mark.parametrize("below", [lambda file: file.raw.write(b"b"), lambda file: file.raw.readall()])
def test_what_is_below_a_buffer_is_not_guarded_by_it(below: Callable[[Any], Any]) -> None:
    def body() -> None:
        file = open(fresh_dir() / "f", "w+b")
        file.write(b"a" * 5)
        thread = beside(lambda: below(file))
        file.write(b"a" * 9000)
        thread.join()
        file.close()

    result = explore(body)
    assert result.verdict is Verdict.UNFINISHED and "could be within each other" in result.reason


def test_around_anything_else_it_is_real() -> None:
    # By number, for the classes themselves would be exchanged in the body's closure.
    kinds = [id(kind) for kind in (io.BufferedReader, io.BufferedWriter, io.TextIOWrapper, io.BufferedRWPair)]

    def body() -> None:
        assert id(type(io.BufferedReader(io.BytesIO(b"a")))) == kinds[0]
        assert id(type(io.TextIOWrapper(io.BytesIO()))) == kinds[2]
        assert id(type(io.BufferedRWPair(io.BytesIO(), io.BytesIO()))) == kinds[3]
        assert EarlyWriter(io.BytesIO()).write(b"a") == 1

        class Own(io.TextIOWrapper):
            pass

        assert Own(io.BytesIO()).write("a") == 1
        with pytest.raises(io.UnsupportedOperation):
            io.BufferedReader(io.FileIO(fresh_dir() / "f", "w"))

    assert explore(body).verdict is Verdict.PROVED
    with interposed():
        assert isinstance(EarlyWriter(io.BytesIO()), io.BufferedWriter)
        assert id(type(io.BufferedWriter(io.BytesIO()))) == kinds[1]
    assert "__init__" not in vars(EarlyWriter) and EarlyFile.__init__.__name__ == "__init__"


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "pair": (
        lambda path: io.BufferedRWPair(io.FileIO(path, "w+"), io.FileIO(path)),
        r"io\.BufferedRWPair\(\) of a file",
    ),
    "early writer": (
        lambda path: EarlyWriter(io.FileIO(path, "w")),
        r"EarlyWriter, which was derived from io\.BufferedWriter before .*derive it in the body",
    ),
    "early file": (lambda path: EarlyFile(path, "w"), r"EarlyFile, which was derived from io\.FileIO"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_controlled_is_named(kind: str) -> None:
    make, message = REFUSED[kind]
    with pytest.raises(UncontrolledCallError, match=message + r".*test_file_layers\.py"):
        explore(lambda: make(fresh_dir() / "f"))


@pytest.mark.parametrize("early", [False, True])
def test_two_layers_around_one_file_are_no_proof(early: bool) -> None:
    def body() -> None:
        path = fresh_dir() / "f"
        file: Any = open(path, "w+b") if early else io.FileIO(path, "w+")
        raw = file.raw if early else file
        layers = io.BufferedWriter(raw), io.BufferedReader(raw)
        threads = [threading.Thread(target=target) for target in (layers[0].flush, layers[1].read)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    result = explore(body)
    assert result.verdict is Verdict.UNFINISHED
    assert "a second buffer or text layer is put around one file object at" in result.reason
