"""The evidence: every figure that the project states, made anew by a command, as Markdown, JSON and plots.

    section ──> runs the real thing: pytest, verify, hunt, mutation, bench, stress, soak ──> Page
    Page    ──> reports/NAME.md, reports/NAME.json, reports/NAME-*.svg

``python -m evidence SECTION…`` makes the pages of sections; ``make reports`` makes all. Nothing in
``reports/`` is written by hand. Each page states the command, the versions, the machine's size and the
commit.
"""
