"""The work on resources after the answer to a request: all work of one server.

Actions change the state and start the work here: ``call.lifecycle.instances.start(id)``. To learn
how work runs, and how to add more, see
:mod:`ecsmachine.localcloud.work.supervisor`.
"""

from __future__ import annotations

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.host.guests.base import Guests
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.balancers import BalancerWork
from ecsmachine.localcloud.work.commands import CommandWork
from ecsmachine.localcloud.work.firewall import FirewallWork
from ecsmachine.localcloud.work.instances import InstanceWork
from ecsmachine.localcloud.work.interfaces import InterfaceWork
from ecsmachine.localcloud.work.ssh_drops import SshDropWatch
from ecsmachine.localcloud.work.storage import RemovalWork, StorageWork
from ecsmachine.localcloud.work.supervisor import Supervisor
from ecsmachine.localcloud.work.watches import ExpiryWatch, PowerWatch

MAX_SCRIPTS = 16
"""How many Cloud Assistant scripts run at the same time; others wait as Pending."""
MAX_GUESTS = 8
"""How many guests are worked on at the same time."""


class Lifecycle:
    """The work on instances and their resources, by subject.

    ``watch_interval_s`` is the interval of the checks for stopped guests and for times that
    have come.
    """

    def __init__(
        self,
        state: State,
        guests: Guests,
        faults: FaultBook,
        supervisor: Supervisor,
        *,
        watch_interval_s: float = 2.0,
    ) -> None:
        threads = supervisor.threads("guest", MAX_GUESTS)
        self.guests = guests
        self.supervisor = supervisor
        self.removals = RemovalWork(state, guests, supervisor, threads)
        self.storage = StorageWork(state, guests, supervisor, threads, self.removals)
        self.firewall = FirewallWork(state, guests, supervisor)
        self.balancers = BalancerWork(state, guests, supervisor)
        self.interfaces = InterfaceWork(state, guests, supervisor, threads, self.firewall)
        self._ssh_drops = SshDropWatch(state, guests, faults, supervisor, threads)
        self.instances = InstanceWork(
            state,
            guests,
            faults,
            supervisor,
            threads,
            self.removals,
            self.firewall,
            self._ssh_drops,
        )
        scripts = supervisor.threads("script", MAX_SCRIPTS)
        self.commands = CommandWork(state, guests, supervisor, scripts)
        self._power = PowerWatch(state, guests, threads)
        self._expiry = ExpiryWatch(state, supervisor, self.instances, self.removals)
        self._state = state
        self._watch_interval_s = watch_interval_s

    def recover(self) -> None:
        """Finish the work of the last server, and watch the guests from now on."""
        self.firewall.recover()
        running = self.guests.running()
        with self._state.transaction():
            self.instances.recover(running)
            self.storage.recover()
            self.interfaces.recover()
            self.commands.recover()
            self.removals.begin()
        repeat = self.supervisor.repeat
        repeat("the watch for guests that are off", self._watch_interval_s, self._power.look)
        repeat("the watch for times that come", self._watch_interval_s, self._expiry.look)
        self._ssh_drops.start()
        self.balancers.recover()
