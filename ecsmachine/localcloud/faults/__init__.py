"""Fault injection: faults that users add to the cloud."""
