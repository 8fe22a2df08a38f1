"""The reference boundary-snapshot store. Not built yet: the original design and the explorer come first."""
