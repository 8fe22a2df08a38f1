"""Mutants of the tables; see `mutants`."""

from __future__ import annotations

from schedule_explorer.targets.boundary_store.mutant import Mutant

STATE: tuple[Mutant, ...] = (
    Mutant(
        "accept: no table entry", "state.py",
        "= {generation.token_count: generation}\n", "= {}\n",
    ),
    Mutant(
        "accept: no table entry beside others", "state.py",
        "                table[generation.token_count] = generation\n", "                pass\n",
    ),
    Mutant(
        "accept: the older generation is not superseded", "state.py",
        "        older = None if table is None else table.get(generation.token_count)\n",
        "        older = None\n",
    ),
    Mutant(
        "accept: one that a cleanup covers is kept", "state.py",
        "        if generation.phase is Phase.RELEASED:\n", "        if False:\n",
    ),
    Mutant("accept: no queue slot", "state.py", "        self.queue[generation] = None\n", ""),
    Mutant(
        "accept: bytes are not counted", "state.py",
        "        self.pending_bytes = pending\n        self.peak", "        self.peak",
    ),
    Mutant(
        "refusal: a closed store accepts", "state.py",
        '        if self.closed:\n            return "the store is shut down"\n', "",
    ),
    Mutant(
        "refusal: what a newer save frees is counted all the same", "state.py",
        "self.pending_bytes - _freed_with(older) + generation", "self.pending_bytes + generation",
    ),
    Mutant(
        "refusal: no byte budget", "state.py",
        "        if pending > self.max_pending_bytes:\n", "        if False:\n",
    ),
    Mutant(
        "find: a closed store serves", "state.py",
        "        if self.closed:\n            return None\n", "",
    ),
    Mutant(
        "supersede: the older file is forgotten", "state.py",
        "            generation.replaces = older\n", "",
    ),
    Mutant(
        "supersede: the older file leaves at once", "state.py",
        "            generation.replaces = older\n", "            self._leave(older)\n",
    ),
    Mutant(
        "supersede: the file before the older one is forgotten", "state.py",
        "            generation.replaces, older.replaces = older.replaces, None\n",
        "            older.replaces = None\n",
    ),
    Mutant(
        "supersede: the older generation stays in the queue", "state.py",
        "            self._unsettled = superseded\n", "",
    ),
    Mutant(
        "take: the newest first", "state.py",
        "next(iter(self.queue))", "next(reversed(self.queue))",
    ),
    Mutant(
        "take: nothing is in hand", "state.py",
        "        self.in_hand = generation\n        return generation\n", "        return generation\n",
    ),
    Mutant("take: the phase stays queued", "state.py", "        generation.phase = Phase.IN_HAND\n", ""),
    Mutant(
        "wrote: the payload is kept", "state.py",
        "        self._release_payload(generation)\n        generation.phase = Phase.ON_DISK\n",
        "        generation.phase = Phase.ON_DISK\n",
    ),
    Mutant("wrote: the phase stays in hand", "state.py", "        generation.phase = Phase.ON_DISK\n", ""),
    Mutant(
        "wrote: the generation stays in hand", "state.py",
        "        self.written = written\n        self.in_hand = None\n", "        self.written = written\n",
    ),
    Mutant(
        "wrote: the replaced file is not removed", "state.py",
        "            self._leave(older)\n        self._release_payload(generation)\n",
        "            replaced = []\n        self._release_payload(generation)\n",
    ),
    Mutant(
        "wrote: the replaced file is in no table", "state.py",
        "            self._leave(older)\n        self._release_payload(generation)\n",
        "            pass\n        self._release_payload(generation)\n",
    ),
    Mutant(
        "dropped: the payload is kept until it is let go", "state.py",
           'of a cancelled generation no more."""\n        self._release_payload(generation)\n',
           'of a cancelled generation no more."""\n'),
    Mutant(
        "failed: the generation stays in hand", "state.py",
        "        generation.phase = Phase.FAILED\n        self.in_hand = None\n        if self.closed:\n",
        "        generation.phase = Phase.FAILED\n        if self.closed:\n",
    ),
    Mutant(
        "failed: a closed store keeps the payload", "state.py",
        "        if self.closed:\n            # Nobody", "        if False:\n            # Nobody",
    ),
    Mutant(
        "failed: the payload is let go", "state.py",
        "        self.failed_writes += 1\n",
        "        self.failed_writes += 1\n        self._release_payload(generation)\n",
    ),
    Mutant(
        "let_go: the generation stays in hand", "state.py",
        "            self._leave(generation)\n        self.in_hand = None\n",
        "            self._leave(generation)\n",
    ),
    Mutant(
        "let_go: what could not be removed is forgotten", "state.py",
        "            generation.stolen = True\n            self._leave(generation)\n",
        "            generation.stolen = True\n",
    ),
    Mutant(
        "died: saves are accepted all the same", "state.py",
        "        self.death = self.last_error = reason\n", "        self.last_error = reason\n",
    ),
    Mutant(
        "forget: the one in hand is not waited for", "state.py",
        "            found.in_hand = covered\n", "            pass\n",
    ),
    Mutant(
        "forget: files are not handed out", "state.py",
        "        found.files = [one for one in self.leaving if request_id in (None, one.request_id)]\n", "",
    ),
    Mutant(
        "forget: one request takes all with it", "state.py",
        "            tables = [] if table is None else [table]\n"
        "        unreachable = [one for table in tables for one in table.values()]\n",
        "            tables = list(self.current.values())\n"
        "        unreachable = [one for table in tables for one in table.values()]\n"
        "        request_id = None\n",
    ),
    Mutant(
        "forget: waits for the request of another one", "state.py",
        "covered is not None and request_id in (None, covered.request_id)", "covered is not None",
    ),
    Mutant(
        "forget: the tables keep the request", "state.py",
        "            del self.current[request_id]\n", "            pass\n",
    ),
    Mutant(
        "removed: stays in the table", "state.py",
        "if self.leaving.pop(generation, self) is None", "if self.leaving.get(generation, self) is None",
    ),
    Mutant(
        "close: only failed writes are discarded", "state.py",
        "        self.closed = True\n        self.settle()\n", "        self.settle()\n",
    ),
    Mutant(
        "close: failed writes keep their payloads", "state.py",
        "                if generation.phase is Phase.FAILED:\n", "                if False:\n",
    ),
    Mutant(
        "withdraw: the older file is not the key's again", "state.py",
        "        if older is not None:\n            older.phase = Phase.ON_DISK\n",
        "        if False:\n            older.phase = Phase.ON_DISK\n",
    ),
    Mutant(
        "forget: the replaced file is forgotten", "state.py",
        "        if generation.replaces is not None:\n            self._leave(generation.replaces)\n",
        "        if generation.replaces is not None:\n",
    ),
    Mutant(
        "forget: a file is dropped as if it were none", "state.py",
        "        if generation.phase is Phase.ON_DISK:\n            self._leave(generation)\n        elif",
        "        if generation.phase is Phase.ON_DISK:\n            self._drop(generation)\n        elif",
    ),
    Mutant(
        "drop: the one in hand is not cancelled", "state.py",
        "            generation.phase = Phase.CANCELLED\n", "",
    ),
    Mutant(
        "drop: the one in hand is released at once", "state.py",
        "            generation.phase = Phase.CANCELLED\n",
        "            generation.phase = Phase.CANCELLED\n            self._release_payload(generation)\n",
    ),
    Mutant("drop: stays in the queue", "state.py", "        self.queue.pop(generation, None)\n", ""),
    Mutant(
        "drop: the payload is kept", "state.py",
        "        self._release_payload(generation)\n        generation.phase = Phase.LEAVING if",
        "        generation.phase = Phase.LEAVING if",
    ),
    Mutant(
        "leave: no table entry", "state.py",
        "        self.leaving[generation] = None\n        generation.phase = Phase.LEAVING\n",
        "        generation.phase = Phase.LEAVING\n",
    ),
    Mutant(
        "withdraw: an empty table is kept", "state.py",
        "            if not table:\n                del self.current[generation.request_id]\n", "",
    ),
    Mutant(
        "release: bytes are still counted", "state.py",
        "            self.pending_bytes = pending\n            self._released", "            self._released",
    ),
    Mutant(
        "drain: payloads stay", "state.py",
        "        released, self._released = self._released, []\n", "        released = self._released\n",
    ),
)  # fmt: skip
