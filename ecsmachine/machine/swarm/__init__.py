"""Machines in Docker's Swarm mode: which are in which swarm, and how they come and go.

Nothing of it is stored: the engines are asked. A node is a machine's if the engine says so, or,
while the engine does not answer, if it is the only one of the machine's host name.
"""
