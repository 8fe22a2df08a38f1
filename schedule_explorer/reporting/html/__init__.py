"""Pages of a failure and of campaigns: each one file that opens offline.

`failure` and `campaign` make the data of a page, plain values that JSON holds; `pages` lays them out with the
templates, the style sheet and the script in ``page/``.
"""
