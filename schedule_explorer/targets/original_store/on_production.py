"""The program that shows a bug of the original store, on the production store."""

from __future__ import annotations

from dataclasses import replace

from schedule_explorer.interposition.faults import Fault
from schedule_explorer.targets.boundary_store.guarantees import GuardedBoundaryStoreTarget
from schedule_explorer.targets.original_store.quarries import Quarry
from schedule_explorer.targets.store_guarantees import SYMPTOMS
from schedule_explorer.targets.store_target import StoreSetting

#: where the writer of the production store meets the disk
_HANGING = frozenset({"writev"})
_FAILING = frozenset({"open", "writev"})


def on_production(quarry: Quarry) -> GuardedBoundaryStoreTarget:
    """Return the production store under the clients and the disk of a quarry, with every oracle.

    A disk that fails does so where the production store's writer makes a file or writes it. One that
    hangs does so in the write: elsewhere it would add nothing, for where every wait may run out at any
    point each call may take as long as one likes anyway. With a byte budget a save may be refused, which the
    sequential specification knows nothing of.
    """
    setting = quarry.setting
    watch = frozenset(SYMPTOMS) - ({"G14 linearizable"} if setting.max_pending_bytes is not None else set())
    return GuardedBoundaryStoreTarget(StoreSetting(
        setting.methods, setting.ids, setting.keys, setting.hostile,
        tuple(_translated(fault) for fault in setting.faults), setting.max_pending_bytes, watch,
    ))  # fmt: skip


def _translated(fault: Fault) -> Fault:
    return replace(fault, kinds=_FAILING if fault.code else _HANGING)
