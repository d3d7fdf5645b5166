"""The campaign that looks for what tests of single cases miss: kills, damage, shortage, junk.

    python -m tests.soak --minutes 10 --seed 1 --only kills damage

Each campaign is one file and gives endless tries (`tries.Try`); `__main__` shares the time among
them and counts. docs/reliability.md holds the table of a run and says what is promised.
"""
