"""Stress loops on real threads. Not built yet."""
