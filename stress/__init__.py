"""The client programs of the verification on real threads: flake rates, and a long soak of the store.

    python -m stress          the table of `make stress`: who fails how often, under which amplifiers
    python -m stress.soak     several stores in several processes, kills, a full disk; is everything flat?
    pytest stress --count=N   the same loops as tests, a run a repetition

The loop itself is general, and is part of the explorer: `schedule_explorer.campaigns.stress`. What is here
knows the stores.
"""
