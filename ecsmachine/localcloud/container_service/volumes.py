"""The volumes of one cluster. One is made on every node; each node has its own data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecsmachine.compose.model import BUCKET
from ecsmachine.localcloud.container_service.application_views import volume_view
from ecsmachine.localcloud.container_service.fields import Fields, check_project_name, invalid
from ecsmachine.localcloud.container_service.project_work import ProjectWork
from ecsmachine.localcloud.container_service.projects import without_secrets
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import Volume, precise_now, project_id
from ecsmachine.localcloud.state.state import State

_DRIVER_OPTIONS = {
    "ossfs": ("bucket", "ak_id", "ak_secret", "url"),
    "nas": ("diskid", "host", "path"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Volumes:
    """Volumes that the API made; the work is done in turn with that on projects."""

    state: State
    work: ProjectWork

    def create(self, fields: Fields) -> dict[str, Any]:
        """Make a volume on every node."""
        name = check_project_name(fields.require("name"))
        driver = fields.require("driver")
        if driver not in ("local", *_DRIVER_OPTIONS):
            raise invalid("driver", f"it must be one of local, {', '.join(_DRIVER_OPTIONS)}")
        options = fields.mapping("driverOpts")
        for option in _DRIVER_OPTIONS.get(driver, ()):
            if not options.get(option):
                raise ApiError("MissingParameter", f"The field driverOpts.{option} is required.")
        if driver == "ossfs" and not BUCKET.fullmatch(options["bucket"]):
            raise invalid(
                "driverOpts.bucket", "use 1 to 63 lowercase letters, digits, dots and hyphens"
            )
        volume = Volume(
            id=project_id(self.work.cluster_id, name),
            cluster_id=self.work.cluster_id,
            name=name,
            driver=driver,
            created=precise_now(),
            options=without_secrets(options),
        )
        if self.state.volumes.get(volume.id) is not None:
            raise ApiError("VolumeAlreadyExists", f"A volume {name} already exists.", 409)

        def make() -> None:
            self.work.deployment().make_volume(volume)
            with self.state.transaction():
                self.state.volumes.put(volume)

        self.work.run_in_turn(f"creating volume {name}", make)
        return volume_view(volume, self._node(), ())

    def list(self) -> dict[str, Any]:
        """Return all volumes."""
        placed = self.work.deployment().look()
        own = self.work.projects.volumes()
        return {"Volumes": [volume_view(volume, self._node(), placed) for volume in own]}

    def get(self, name: str) -> dict[str, Any]:
        """Return a volume."""
        return volume_view(self._find(name), self._node(), self.work.deployment().look())

    def delete(self, name: str) -> None:
        """Remove a volume that no container uses."""
        volume = self._find(name)
        placed = self.work.deployment().look()
        users = [p.container.name for p in placed if name in p.container.volumes]
        if users:
            raise ApiError("VolumeInUse", f"The volume {name} is used by {', '.join(users)}.", 409)
        self.work.run_in_turn(
            f"removing volume {name}", lambda: self.work.deployment().remove_volume(name)
        )
        self.work.projects.forget_volume(volume)

    def _find(self, name: str) -> Volume:
        with self.state.lock:
            volume = self.state.volumes.get(project_id(self.work.cluster_id, name))
        if volume is None:
            raise ApiError("VolumeNotFound", f"There is no volume {name}.", 404)
        return volume

    def _node(self) -> str:
        cluster = self.state.clusters.get(self.work.cluster_id)
        return cluster.nodes[0].name if cluster is not None and cluster.nodes else ""
