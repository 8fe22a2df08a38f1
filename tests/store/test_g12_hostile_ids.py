"""G12: any string is a request id; no id is a path, no link is followed, directories are the owner's."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_support import files, live, metadata_of, save, settled, values

from store import BoundarySnapshotStore

IDS = [
    "", ".", "..", "/", "a/b", "a", "../x", "/etc/passwd", "x" * 10_000, "nul\0nul", "Case", "case", "é",
    "e\u0301",
    "\ud800", "-rf", "*", "con", "a\nb", "lock", "live", "staging-0", "session-000000", "%s%n", "\U0001f600",
]  # fmt: skip


def test_each_is_a_request_of_its_own(store: BoundarySnapshotStore, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    for position, request_id in enumerate(IDS):
        assert save(store, request_id, float(position))
    settled(store)
    assert len(live(store)) == len(IDS)
    for position, request_id in enumerate(IDS):
        assert values(store.load(request_id, 0)) == [float(position)] * 4
        assert store.cleanup_request(request_id)
        assert not store.has(request_id, 0)
        assert len(live(store)) == len(IDS) - position - 1
    assert files(tmp_path) == ["outside"]
    assert (tmp_path / "outside").read_text() == "mine"


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(ids=st.lists(st.text(st.characters(), max_size=20), min_size=1, max_size=5, unique=True))
def test_any_text(store: BoundarySnapshotStore, ids: list[str]) -> None:
    for position, request_id in enumerate(ids):
        assert save(store, request_id, float(position))
    settled(store)
    names = live(store)
    assert len(names) == len(ids) and {len(name) for name in names} == {len("0" * 16 + ".safetensors")}
    # Names are counted in the order of the saves.
    for name, request_id in zip(names, ids, strict=True):
        written = metadata_of(Path(store._layout.session, "live", name))["request_id"]
        assert written == request_id.encode("utf-8", "backslashreplace").decode()
    for position, request_id in enumerate(ids):
        assert values(store.load(request_id, 0)) == [float(position)] * 4
        assert store.cleanup_request(request_id)
    assert live(store) == []


def test_directories_are_the_owners(store: BoundarySnapshotStore) -> None:
    save(store, "a")
    settled(store)
    for directory, _, names in os.walk(store.root.parent):
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700, directory
        for name in names:
            assert stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode) == 0o600, name


def test_a_directory_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "_boundary_snapshots").mkdir(mode=0o755)
    with BoundarySnapshotStore(tmp_path) as store:
        assert stat.S_IMODE(os.stat(store.root).st_mode) == 0o700


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory that no store has any business in."""
    made = tmp_path / "elsewhere"
    for part in (made, made / "live"):
        part.mkdir()
        (part / "precious").write_text("mine")
    return made


def untouched(elsewhere: Path) -> bool:
    """Say whether that directory is as it was."""
    found = {name: (elsewhere / name).read_text() for name in files(elsewhere)}
    return found == {"live/precious": "mine", "precious": "mine"}


def test_a_planted_link_in_place_of_the_root(tmp_path: Path, elsewhere: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "_boundary_snapshots").symlink_to(elsewhere)
    with pytest.raises(NotADirectoryError, match="follows no link"):
        BoundarySnapshotStore(base)
    assert untouched(elsewhere)


def test_a_planted_link_in_place_of_a_session(tmp_path: Path, elsewhere: Path) -> None:
    base = tmp_path / "base"
    (base / "_boundary_snapshots").mkdir(parents=True)
    (base / "_boundary_snapshots" / "session-000000").symlink_to(elsewhere)
    with BoundarySnapshotStore(base) as store:
        assert save(store, "a")
        settled(store)
        assert len(live(store)) == 1
    assert untouched(elsewhere)


@pytest.mark.parametrize("what", ["session", "root"])
def test_a_link_that_takes_a_name_of_a_live_session(tmp_path: Path, elsewhere: Path, what: str) -> None:
    """What is removed is the directory that was locked, wherever it is by now."""
    store = BoundarySnapshotStore(tmp_path / "base")
    assert save(store, "a")
    settled(store)
    session = Path(store._layout.session)
    renamed = session if what == "session" else store.root
    if what == "root":
        shutil.copytree(elsewhere, elsewhere / session.name)
    moved = renamed.rename(tmp_path / "moved")
    renamed.symlink_to(elsewhere)
    assert not store.shutdown(cleanup=True)
    assert files(moved) == []
    if what == "root":
        assert untouched(elsewhere / session.name)
        shutil.rmtree(elsewhere / session.name)
    assert untouched(elsewhere)


def test_a_link_in_place_of_the_base_directory_is_not_followed_later(
    store: BoundarySnapshotStore, tmp_path: Path, elsewhere: Path
) -> None:
    """A session that was removed is begun again, and where a link leads nobody has chosen."""
    settled(store)
    (tmp_path / "cache").rename(tmp_path / "moved")
    (tmp_path / "cache").symlink_to(elsewhere)
    assert save(store, "a", 3.0)
    settled(store)
    assert "follows no link" in (store.stats().last_error or "") and untouched(elsewhere)
    assert values(store.load("a", 0)) == [3.0] * 4


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could put a link in the place of anything in it."""
    root = tmp_path / "_boundary_snapshots"
    root.mkdir()
    real, owner = os.geteuid(), root.stat().st_uid
    if real != 0:
        pytest.skip("only root can give a directory to another user")
    os.chown(root, 1234, 1234)
    with pytest.raises(PermissionError, match="user 1234: remove it, or choose another base_dir") as raised:
        BoundarySnapshotStore(tmp_path)
    assert raised.value.filename == str(root) and list(root.iterdir()) == []
    os.chown(root, owner, -1)
    with BoundarySnapshotStore(tmp_path) as store:
        assert save(store, "a")


@pytest.mark.parametrize("part", ["live", "staging-0", "live/0000000000000000.safetensors", "x"])
def test_a_planted_link_in_a_dead_session(tmp_path: Path, elsewhere: Path, part: str) -> None:
    session = tmp_path / "base" / "_boundary_snapshots" / "session-000003"
    (session / "live").mkdir(parents=True)
    if part == "live":
        (session / "live").rmdir()
    (session / part).symlink_to(elsewhere)
    with BoundarySnapshotStore(tmp_path / "base"):
        assert not session.exists()
    assert untouched(elsewhere)


def test_a_planted_link_where_a_file_is_to_be_written(store: BoundarySnapshotStore, elsewhere: Path) -> None:
    session = Path(store._layout.session)
    (session / "staging-0" / "0000000000000000.part").symlink_to(elsewhere / "precious")
    (session / "live" / "0000000000000001.safetensors").symlink_to(elsewhere / "precious")
    assert save(store, "a", 1.0) and save(store, "b", 2.0)
    settled(store)
    assert values(store.load("a", 0)) == [1.0] * 4 and values(store.load("b", 0)) == [2.0] * 4
    store.cleanup_all()
    assert untouched(elsewhere)


def test_the_base_directory_itself_may_be_a_link(tmp_path: Path, elsewhere: Path) -> None:
    """It is the operator's choice; where it leads is settled once, when the store is made."""
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there")
    with BoundarySnapshotStore(link) as store:
        link.unlink()
        link.symlink_to(elsewhere)
        save(store, "a")
        settled(store)
        assert store.root == tmp_path / "there" / "_boundary_snapshots"
        assert store.cleanup_all()
    assert untouched(elsewhere)
