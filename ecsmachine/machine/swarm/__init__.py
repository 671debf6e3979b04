"""Machines in Docker's Swarm mode: which are in which swarm, and how they join and leave.

Nothing is stored: the engines are asked. A node belongs to a machine if the engine says so, or,
while the engine does not answer, if it is the only node with the machine's host name.
"""
