"""The soak: a short one is run; what is wrong is noticed; what rises is told."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from schedule_explorer.interposition.filesystem import fast_directory
from stress.plot import plot
from stress.soak import ALLOWED, Soak, judged, main, soak
from stress.soak_process import Process
from stress.soak_worker import Client, WrongError


def test_a_short_soak(tmp_path: Path) -> None:
    found = soak(tmp_path, 2.5, steady=1, mortal=1, stores=2, every=1.0)
    assert found.errors == [] and found.left == [] and found.operations > found.failed > 0
    assert found.kills >= 1
    assert len(found.at) == len(found.samples["memory"]) >= 1
    assert found.samples["threads"][-1] >= 5 and found.samples["descriptors"][-1] >= 5


def test_ctrl_c_ends_it_in_order(tmp_path: Path) -> None:
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    found = soak(tmp_path, 60.0, steady=1, mortal=0, stores=1)
    assert found.interrupted and found.errors == [] and found.left == []
    assert judged(found)["verdict"] == "interrupted"


def test_a_process_that_ends_by_itself_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    process = Process(tmp_path / "file", 1, 1)
    (wrong,) = process.end(60)
    assert "process 1 ended with 1" in wrong and "NotADirectoryError" in wrong and process.wrong() == [wrong]


@pytest.mark.parametrize("table", [{("request-1", 0): 5}, {("request-1", 0): 7}])
def test_a_wrong_answer_is_noticed(tmp_path: Path, table: dict[tuple[str, int], int]) -> None:
    client = Client(tmp_path, "1")
    if table["request-1", 0] == 7:  # another value than was saved
        from stress.soak_worker import _states

        assert client._store.save("request-1", 0, [5, 10], _states)
    client._table = dict(table)
    with pytest.raises(WrongError, match=r"load\(request-1, 0\)"):
        client._check("request-1", 0)
    client._table.clear()
    client._store.cleanup_all()
    client.close()


def test_what_a_shutdown_leaves_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(tmp_path, "3")
    monkeypatch.setattr(type(client._store), "shutdown", lambda self, **options: False)
    with pytest.raises(WrongError, match="left directories"):
        client.close()
    monkeypatch.undo()
    client.close()


def test_all_that_a_client_does_is_right(tmp_path: Path) -> None:
    client = Client(Path(fast_directory()) / tmp_path.name, "2")
    try:
        for _ in range(300):
            client.step()
    finally:
        client.close()
        os.rmdir(client._base / "_boundary_snapshots")
        os.rmdir(client._base)


def series(slope: float) -> Soak:
    at = [float(second) for second in range(60)]
    return Soak(at, {name: [100_000_000 + slope * second for second in at] for name in ALLOWED})


def test_what_rises_fails() -> None:
    assert judged(series(0))["verdict"] == "flat"
    rising = judged(series(1_000_000))
    assert rising["verdict"] == "failed"
    assert [name for name, one in rising["trends"].items() if not one["flat"]] == list(ALLOWED)
    for wrong in ({"errors": ["load is None"]}, {"left": ["a file"]}):
        found = series(0)
        vars(found).update(wrong)
        assert judged(found)["verdict"] == "failed"
    assert judged(Soak([1.0]))["verdict"] == "failed", "too few samples say nothing"


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot(judged(series(1_000_000)), tmp_path / "soak.svg")
    drawn = (tmp_path / "soak.svg").read_text()
    assert drawn.startswith("<?xml") and len(drawn) > 10_000


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "soak.json"
    code = main(
        ["--minutes", "0.001", "--steady", "1", "--mortal", "0", "--stores", "1", "--json", str(file)]
    )
    found: Any = json.loads(file.read_text())
    assert code == 1 and found["stress_soak"] == 1 and "too few" in found["errors"][0]
    assert "failed: " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--steady", "0"], ["--minutes", "0"], ["--stores", "0"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert "at least one steady process" in capsys.readouterr().err
