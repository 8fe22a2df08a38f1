"""The table of the store: each row against the original store after its fix, and against a raw limit."""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx

from bench.measure import Options, Table, interleaved, progress, ratio, seconds
from bench.sides import ARRAYS, Side, Watch, cache_of, filesystem_of, sides
from schedule_explorer.interposition.filesystem import fast_directory

_KILO, _MEGA = 1 << 10, 1 << 20
_STORE, _ORIGINAL, _RAW = "store", "original", "raw"
Turns = Mapping[str, Callable[[], float]]


def run(options: Options) -> list[Table]:
    """Return a table for the directory of temporary files, and one for the fastest file system."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return [_on(directory, options) for directory in sorted({tempfile.gettempdir(), fast_directory()})]
    finally:
        logging.disable(level)


def _on(above: str, options: Options) -> Table:
    watch = Watch()
    with (
        tempfile.TemporaryDirectory(dir=above, prefix="store-bench-") as made, watch.installed(),
        sides(Path(made)) as (ours, original),
    ):
        return _Rows(ours, original, watch, Path(made), options).table()


class _Rows:
    """Measures row after row; all measurements of a row are taken in turn."""

    def __init__(self, ours: Side, original: Side, watch: Watch, directory: Path, options: Options) -> None:
        self.ours, self.original, self.watch, self.directory = ours, original, watch, directory
        self.big = 4 * _MEGA if options.quick else 64 * _MEGA
        self.huge = 16 * _MEGA if options.quick else 256 * _MEGA
        self.small = 64 * _KILO
        self.turns = options.repetitions if options.quick else 2 * options.repetitions + 1
        self.where = filesystem_of(directory)
        self.result = Table(
            f"The store on {self.where}: against the original store after its fix, and a raw limit",
            ["what", _STORE, _ORIGINAL, "raw limit", "the raw limit is"],
        )

    def table(self) -> Table:
        """Measure everything."""
        for row in (self.save, self.on_disk, self.load, self.load_pending, self.cleanup_all,
                    self.cleanup_request, self.has):
            progress(f"the store on {self.where}: {row.__name__}, {self.turns} turns")
            row()
            self.ours.clear()
            self.original.clear()
        self.result.notes += [
            f"medians of {self.turns} turns ({3 * self.turns} of save -> on disk) in one process, each row's "
            f"measurements in turn; a snapshot is {ARRAYS} arrays of float32, evaluated, whatever its size; "
            f"files on {self.where}, not synced; before each measurement the disk comes to rest (sync)",
            "save: arrays of both sizes are made before every save, whichever is saved then, because whoever "
            f"has just filled {_size(self.big)} finds the caches of the processor empty; for 'own arrays "
            "only' those of the other size are not made",
            f"while {_size(self.huge)} are being written: 5 ms after the writer has begun; idle is the same "
            "call for the same snapshots, all of them on disk and the writer at rest",
        ]
        return self.result

    # -- the rows ------------------------------------------------------------------------------------

    def save(self) -> None:
        """The time of the caller."""
        big, small = self.big, self.small

        def one(side: Side, size: int, *sizes: int) -> float:
            side.settle()
            made = {each: cache_of(each) for each in sizes}
            cache = made[size]
            took = seconds(lambda: side.save("a", cache))
            side.settle()
            side.clear()
            return took

        taken = self._taken({
            _STORE: lambda: one(self.ours, big, small, big),
            _ORIGINAL: lambda: one(self.original, big, small, big),
            _RAW: lambda: one(self.ours, small, small, big),
            "warm": lambda: one(self.ours, big, big), "warm small": lambda: one(self.ours, small, small),
        })
        name = f"save of {_size(big)}, the caller's time"
        self._line(name, taken, f"save of {_size(small)}")
        self._less(name, taken, at_least=50)
        self._raw(f"{name} / save of {_size(small)}", taken, at_most=2)
        self.result.ratios.append(
            ratio(f"{name} / save of {_size(small)}, own arrays only", taken["warm"], taken["warm small"])
        )

    def on_disk(self) -> None:
        """From the call of save until the file has its name."""
        cache = cache_of(self.big)
        data = b"".join(bytes(memoryview(array)) for array in cache)
        path = self.directory / "raw"

        def one(side: Side) -> float:
            side.settle()
            self.watch.arm()
            began = time.perf_counter()
            side.save("a", cache)
            took = self.watch.published() - began
            side.settle()
            side.clear()
            return took

        def raw() -> float:
            began = time.perf_counter()
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            left = memoryview(data)
            while left:
                left = left[os.write(fd, left) :]
            os.close(fd)
            took = time.perf_counter() - began
            os.unlink(path)
            return took

        taken = self._taken({
            _STORE: lambda: one(self.ours), _ORIGINAL: lambda: one(self.original), _RAW: raw,
        }, 3)
        name = f"save -> on disk, {_size(self.big)}"
        self._line(name, taken, "one raw write of the same bytes to a new file")
        self._less(name, taken)
        self.result.ratios.append(
            ratio(f"{name}: raw write / store", taken[_RAW], taken[_STORE], at_least=0.9)
        )

    def load(self) -> None:
        """From disk, evaluated."""
        cache = cache_of(self.big)
        for side in (self.ours, self.original):
            side.save("a", cache)
            side.settle()
        path = next((self.directory / "store").rglob("*.safetensors"))
        copy = self.directory / "copy.safetensors"
        copy.write_bytes(path.read_bytes())

        def loaded(side: Side) -> object:
            layers = side.store.load("a", 0)
            arrays = [array for layer in layers for array in layer["state"]]
            mx.eval(arrays)
            return arrays

        def raw() -> object:
            found: Any = mx.load(os.fspath(copy))
            arrays = list(found.values())
            mx.eval(arrays)
            return arrays

        def timed(call: Callable[[], object]) -> float:
            # Memory of the arrays before would be taken again, which spares its page faults.
            mx.clear_cache()
            return seconds(call)

        taken = self._taken({
            _STORE: lambda: timed(lambda: loaded(self.ours)),
            _ORIGINAL: lambda: timed(lambda: loaded(self.original)), _RAW: lambda: timed(raw),
        })
        name = f"load from disk, {_size(self.big)}"
        self._line(name, taken, "mx.load and mx.eval of a copy of the file")
        self._less(name, taken)
        self._raw(f"{name} / mx.load + eval", taken, at_most=1.1)

    def load_pending(self) -> None:
        """While the writer has it in hand."""
        for size in (self.small, self.huge):
            cache = cache_of(size)
            self.watch.gate.clear()
            for side in (self.ours, self.original):
                self.watch.arm()
                side.save("a", cache)
                self.watch.begin()
            taken = self._taken({
                _STORE: lambda: seconds(lambda: self.ours.store.load("a", 0)),
                _ORIGINAL: lambda: seconds(lambda: self.original.store.load("a", 0)),
            })
            self.watch.gate.set()
            for side in (self.ours, self.original):
                side.settle()
                side.clear()
            taken[_RAW] = [1e-4] * self.turns
            name = f"load while pending, {_size(size)}"
            self._line(name, taken, "0.1 ms")
            self._less(name, taken)
            self._raw(f"{name} / 0.1 ms", taken, at_most=1)

    def cleanup_all(self) -> None:
        """While a snapshot is being written."""
        cache = cache_of(self.huge)
        taken = self._taken({
            _STORE: lambda: self._cleanup(self.ours, None, cache),
            _ORIGINAL: lambda: self._cleanup(self.original, None, cache),
            _RAW: lambda: self._cleanup(self.ours, None, cache, idle=True),
        })
        name = f"cleanup_all while {_size(self.huge)} are being written"
        self._line(name, taken, "the same, idle")
        self._less(name, taken, at_least=50)
        self._raw(f"{name} / idle", taken, at_most=2)

    def cleanup_request(self) -> None:
        """While a snapshot of another request is being written."""
        cache, other = cache_of(self.small), cache_of(self.huge)
        taken = self._taken({
            _STORE: lambda: self._cleanup(self.ours, cache, other),
            _ORIGINAL: lambda: self._cleanup(self.original, cache, other),
            _RAW: lambda: self._cleanup(self.ours, cache, other, idle=True),
        })
        name = f"cleanup_request(X) while Y's {_size(self.huge)} are being written"
        self._line(name, taken, "the same, idle")
        self._less(name, taken)
        self._raw(f"{name} / idle", taken, at_most=1.5)

    def has(self) -> None:
        """Of a snapshot on disk."""
        count = 10_000
        for side in (self.ours, self.original):
            side.save("a", cache_of(self.small))
            side.settle()

        def one(side: Side) -> float:
            has = side.store.has
            began = time.perf_counter()
            for _ in range(count):
                has("a", 0)
            return (time.perf_counter() - began) / count

        taken = self._taken({_STORE: lambda: one(self.ours), _ORIGINAL: lambda: one(self.original)})
        taken[_RAW] = [2e-6] * self.turns
        self._line("has", taken, "2 us")
        self._less("has", taken)
        self._raw("has / 2 us", taken, at_most=1)

    # -- parts of them ---------------------------------------------------------------------------------

    def _cleanup(
        self, side: Side, cache: list[object] | None, other: list[object], *, idle: bool = False
    ) -> float:
        """Return the seconds of `cleanup_request("x")`, or of `cleanup_all` when nothing is saved for x."""
        if cache is not None:
            side.save("x", cache)
            side.settle()
        self.watch.arm()
        side.save("y", other)
        if idle:
            side.settle()
        else:
            self.watch.begin()
        took = seconds(side.store.cleanup_all if cache is None else lambda: side.store.cleanup_request("x"))
        side.settle()
        side.clear()
        return took

    def _taken(self, turns: Turns, times: int = 1) -> dict[str, list[float]]:
        return interleaved({name: _at_rest(turn) for name, turn in turns.items()}, times * self.turns)

    def _line(self, name: str, taken: Mapping[str, list[float]], limit: str) -> None:
        self.result.lines.append([name, *(_time(taken[which]) for which in (_STORE, _ORIGINAL, _RAW)), limit])

    def _less(self, name: str, taken: Mapping[str, list[float]], at_least: float | None = None) -> None:
        self.result.ratios.append(
            ratio(f"{name}: original / store", taken[_ORIGINAL], taken[_STORE], at_least=at_least)
        )

    def _raw(self, name: str, taken: Mapping[str, list[float]], at_most: float) -> None:
        self.result.ratios.append(ratio(name, taken[_STORE], taken[_RAW], at_most=at_most))


def _at_rest(turn: Callable[[], float]) -> Callable[[], float]:
    """Let the disk come to rest before a measurement: what the one before has left is not its own."""

    def later() -> float:
        os.sync()
        return turn()

    return later


def _size(count: int) -> str:
    return f"{count // _MEGA} MB" if count >= _MEGA else f"{count // _KILO} KB"


def _time(values: list[float]) -> str:
    median = statistics.median(values)
    return f"{median * 1e3:.3f} ms" if median >= 1e-5 else f"{median * 1e6:.2f} us"
