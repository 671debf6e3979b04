"""The proof that no machine is lost: every point of create, rm, import and adopt, with every fault.

``scripts/torture`` tries them all and prints the table; ``test_torture.py`` tries a random sample
of them in the test suite.
"""
