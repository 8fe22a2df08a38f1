"""Mutants of the writer, the calls and the files; see `mutants`."""

from __future__ import annotations

from schedule_explorer.targets.boundary_store.mutant import Mutant

WRITER: tuple[Mutant, ...] = (
    Mutant(
        "write: published before it is written", "writer.py",
        "            if not write_snapshot(fd, self.generation.payload, self.wanted):\n"
        "                return Report(published=False, open_fd=fd)\n",
        "            layout.publish(place)\n"
        "            write_snapshot(fd, self.generation.payload, self.wanted)\n"
        "            layout.close(fd)\n            return Report(published=True)\n",
    ),
    Mutant(
        "write: published before it is closed", "writer.py",
        "            layout.close(closing)\n            publishing = True\n"
        "            layout.publish(place)\n",
        "            publishing = True\n            layout.publish(place)\n"
        "            layout.close(closing)\n",
    ),
    Mutant("write: never published", "writer.py", "            layout.publish(place)\n", ""),
    Mutant(
        "write: goes on when it is not wanted", "writer.py",
        "            if not write_snapshot(fd, self.generation.payload, self.wanted):\n"
        "                return Report(published=False, open_fd=fd)\n",
        "            write_snapshot(fd, self.generation.payload, lambda: True)\n",
    ),
    Mutant(
        "write: a part of a failed one is left", "writer.py",
        "            layout.remove_file(place.part)\n            if publishing:\n",
        "            if publishing:\n",
    ),
    Mutant(
        "discard: the published file is left", "writer.py",
        "            if self.published is not False:\n", "            if False:\n",
    ),
    Mutant(
        "discard: the part is left", "writer.py",
        "                layout.remove_file(place.part)\n", "                pass\n",
    ),
    Mutant(
        "discard: the stolen directory is left", "writer.py",
        "                layout.remove_stolen(place)\n            elif",
        "                pass\n            elif",
    ),
    Mutant(
        "discard: the stolen directory is used again", "writer.py",
        "        if self.stolen or report.error is not None:\n", "        if report.error is not None:\n",
    ),
    Mutant(
        "discard: one that published is held not to have", "writer.py",
        "            if self.published is not False:\n", "            if self.published is None:\n",
    ),
    Mutant("remove: nothing", "writer.py", "        errors = remove_files(self.files)\n",
        "        errors: list[str] = []\n",
    ),
    Mutant(
        "wake: no signal", "writer.py",
        "            self._signal()\n            self._idle = False\n", "            self._idle = False\n",
    ),
    Mutant(
        "wake: signals a thread that is busy too", "writer.py",
        "        if self._idle:\n", "        if True:\n",
    ),
    Mutant("wait: nobody is known to wait", "writer.py", "        self._waiting.append(lock)\n", ""),
    Mutant(
        "notify: nobody", "writer.py",
        "        waiting, self._waiting = self._waiting, []\n", "        waiting = []\n",
    ),
    Mutant(
        "end: nobody is told", "writer.py",
        "        waiting, self._waiting_for_end = self._waiting_for_end, []\n", "        waiting = []\n",
    ),
    Mutant(
        "end: told before the session is removed", "writer.py",
        "                if stop and not removes:\n", "                if stop:\n",
    ),
    Mutant(
        "loop: ends with a queue", "writer.py",
        "                stop = rest and self.state.closed\n",
        "                stop = self.state.closed\n",
    ),
    Mutant(
        "loop: never ends", "writer.py",
        "                stop = rest and self.state.closed\n", "                stop = False\n",
    ),
    Mutant(
        "loop: never idle", "writer.py",
        "                self._idle = rest and not stop\n", "                self._idle = False\n",
    ),
    Mutant(
        "loop: without the lock", "writer.py",
        "            with self.lock:\n                warning = self._next()\n",
        "            if True:\n                warning = self._next()\n",
    ),
    Mutant(
        "loop: an abandoned session stays", "writer.py",
        "            self.directories.destroy()\n", "            pass\n",
    ),
    Mutant(
        "loop: the session of a shutdown that gave up stays", "writer.py",
        "(self.removes_session or not self._kept.locked())", "(not self._kept.locked())",
    ),
    Mutant(
        "loop: an abandoned store is not noticed", "writer.py",
        "        if not self._kept.locked():\n            self.state.abandon()\n", "",
    ),
    Mutant(
        "account: stolen during the discard is not noticed", "writer.py",
        "            if generation.stolen and not done.stolen:\n", "            if False:\n",
    ),
    Mutant(
        "account: nobody is told of what is let go", "writer.py",
        "            self.state.let_go(generation, report.error)\n            self._notify()\n",
        "            self.state.let_go(generation, report.error)\n",
    ),
    Mutant(
        "account: let go before it is discarded", "writer.py",
        "            self.state.dropped(generation)\n"
        "            return self._discarding(generation, report), None\n",
        "            task = self._discarding(generation, report)\n            self.state.in_hand = None\n"
        "            self._notify()\n            return task, None\n",
    ),
    Mutant(
        "account: replaced files stay in the table", "writer.py",
        "            self.state.removed(done.files)\n", "            pass\n",
    ),
    Mutant(
        "after a write: not asked whether it was cancelled", "writer.py",
        "        if generation.phase is Phase.CANCELLED:\n            self.state.dropped(generation)\n",
        "        if False:\n            self.state.dropped(generation)\n",
    ),
    Mutant(
        "after a write: no repair", "writer.py",
        "        if report.missing and not report.leftover and not done.again:\n", "        if False:\n",
    ),
    Mutant(
        "after a write: a failure counts as written", "writer.py",
        "        if report.error is not None:\n            generation.stolen = report.leftover\n",
        "        if False:\n            generation.stolen = report.leftover\n",
    ),
    Mutant(
        "after a write: replaced files are left", "writer.py",
        "        return (Remove(files) if files else None), None\n", "        return None, None\n",
    ),
)  # fmt: skip

STORE: tuple[Mutant, ...] = (
    Mutant(
        "save: the writer is not woken", "boundary_store.py",
        "                if refusal is None:\n                    self._writer.wake()\n", "",
    ),
    Mutant(
        "save: without the lock", "boundary_store.py",
        "            with self._lock:\n                refusal = self._state.accept(",
        "            if True:\n                refusal = self._state.accept(",
    ),
    Mutant(
        "save: a refused one returns True", "boundary_store.py",
        "        if refusal is None:\n            return True\n",
        "        if True:\n            return True\n",
    ),
    Mutant(
        "save: a cleanup does not find one that has begun", "boundary_store.py",
        "                    self._saving[generation] = None\n", "                    pass\n",
    ),
    Mutant(
        "save: stays among those that have begun", "boundary_store.py",
        "            self._saving.pop(generation, None)\n", "            pass\n",
    ),
    Mutant(
        "load: without the lock", "boundary_store.py",
        "            with self._lock:\n                generation =",
        "            if True:\n                generation =",
    ),
    Mutant(
        "load: no second look when the file is gone", "boundary_store.py",
        "            # A cleanup or a newer save may have removed",
        "            return None\n            # A",
    ),
    Mutant(
        "load: a file that is gone is not forgotten", "boundary_store.py",
        "                if current and gone:\n", "                if False:\n",
    ),
    Mutant(
        "has: any key of the request", "boundary_store.py",
        "            return self._state.find(*key) is not None\n",
        "            return request_id in self._state.current\n",
    ),
    Mutant(
        "shutdown: the writer is not woken", "boundary_store.py",
        "        self._writer.tell_end(end)\n        self._writer.wake()\n",
        "        self._writer.tell_end(end)\n",
    ),
    Mutant(
        "shutdown: does not close", "boundary_store.py",
        "                self._close(end)\n                released",
        "                self._writer.tell_end(end)\n                self._writer.wake()\n"
        "                released",
    ),
    Mutant(
        "shutdown: does not wait for the writer", "boundary_store.py",
        "        self._writer.wait_for_end(end, max(0.0, deadline - time.monotonic()))\n", "",
    ),
    Mutant(
        "shutdown: what is queued is kept", "boundary_store.py",
        "                self._state.give_up()\n", "                pass\n",
    ),
    Mutant(
        "shutdown: the session stays", "boundary_store.py",
        "            complete = self._layout.destroy()\n", "            pass\n",
    ),
    Mutant(
        "shutdown: the session goes under a stuck writer", "boundary_store.py",
        "        if cleanup and ended and complete:\n", "        if cleanup:\n",
    ),
    Mutant(
        "cleanup: does not close at a shutdown", "boundary_store.py",
        "                self._close(end)\n            if found",
        "                self._writer.tell_end(end)\n            if found",
    ),
    Mutant(
        "cleanup: files are left", "boundary_store.py",
        "        errors = remove_files(found.files)\n", "        errors: list[str] = []\n",
    ),
    Mutant(
        "cleanup: files leave the table before they are removed", "boundary_store.py",
        "                let_go = self._writer.letting_go()\n",
        "                let_go = self._writer.letting_go()\n            self._state.removed(found.files)\n",
    ),
    Mutant(
        "cleanup: files stay in the table", "boundary_store.py",
        "                    self._state.removed(found.files)\n", "                    pass\n",
    ),
    Mutant(
        "cleanup: does not wait", "boundary_store.py",
        "            let_go.acquire(timeout=max(0.0, deadline - time.monotonic()))\n", "            pass\n",
    ),
    Mutant(
        "cleanup: giving up counts as done", "boundary_store.py",
        "        if self._state.in_hand is not generation:\n", "        if True:\n",
    ),
    Mutant(
        "cleanup: what is let go counts as stuck", "boundary_store.py",
        "        if self._state.in_hand is not generation:\n", "        if False:\n",
    ),
    Mutant(
        "cleanup: does not steal", "boundary_store.py",
        "                layout.steal(stuck.place)\n", "                pass\n",
    ),
    Mutant(
        "cleanup: does not say that it will steal", "boundary_store.py",
        "        generation.stolen = True\n", "",
    ),
)  # fmt: skip

LAYOUT: tuple[Mutant, ...] = (
    Mutant(
        "steal: the file first, then the directory", "layout.py",
        "    _take_away(place)\n    remove_file(place.final)\n",
        "    remove_file(place.final)\n    _take_away(place)\n",
    ),
    Mutant(
        "steal: the directory alone", "layout.py",
        "    _take_away(place)\n    remove_file(place.final)\n", "    _take_away(place)\n",
    ),
    Mutant(
        "steal: the file alone", "layout.py",
        "    _take_away(place)\n    remove_file(place.final)\n", "    remove_file(place.final)\n",
    ),
    Mutant(
        "stolen: relies on the cleanup", "layout.py",
        "    _take_away(place)\n    remove_file(os.path.join(place.trash",
        "    remove_file(os.path.join(place.trash",
    ),
    Mutant(
        "stolen: the part is left", "layout.py",
        "    remove_file(os.path.join(place.trash, place.name))\n", "",
    ),
    Mutant("stolen: the directory is left", "layout.py", "        os.rmdir(place.trash)\n", "        pass\n"),
    Mutant("staging: one name for ever", "layout.py", "        self._staging += 1\n", ""),
    Mutant(
        "place: one name for all", "layout.py",
           'os.path.join(self.session, "live", f"{sequence:016x}.safetensors")',
           'os.path.join(self.session, "live", f"{0:016x}.safetensors")'),
    Mutant("create: an old file is taken", "layout.py", "os.O_CREAT | os.O_EXCL |", "os.O_CREAT |"),
    Mutant(
        "hold: without the lock", "layout.py",
        "        fcntl.flock(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n", "",
    ),
    Mutant(
        "hold: a directory that has lost its name", "layout.py",
        "        if os.path.samestat(os.fstat(lock.fd), os.lstat(session)):\n", "        if True:\n",
    ),
)  # fmt: skip

CODEC: tuple[Mutant, ...] = (
    Mutant(
        "write: the last bytes are not written", "codec.py",
        "    if batch:\n        batches.append((batch, size))\n    return batches\n", "    return batches\n",
    ),
    Mutant(
        "write: what one call did not write is skipped", "codec.py",
        "            size -= done\n", "            size = 0\n",
    ),
)  # fmt: skip
