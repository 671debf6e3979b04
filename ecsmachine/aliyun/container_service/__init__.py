"""Alibaba Cloud Container Service (version 2015-12-15): clusters and what runs on them.

``client`` speaks the management API, ``application_client`` that of a Swarm cluster's master.
Source: the Container Service developer guide.
"""
