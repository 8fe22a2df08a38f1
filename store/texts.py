"""Texts for the log and for errors: of whatever was given, and none that is long."""

from __future__ import annotations


def shown(value: object, most: int = 80) -> str:
    """Return the repr of a value, cut; its type where that fails, as it does for an int of 5,000 digits."""
    try:
        return repr(value)[:most]
    except Exception:
        return f"<{type(value).__name__}>"


def said(error: BaseException) -> str:
    """Return what an error says. A record of the log must not keep the error: its frames have the arrays."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__}: (it cannot be said what)"
