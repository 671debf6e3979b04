"""SSH key pairs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing, equals, like, newest, tagged
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import valid_name
from ecsmachine.localcloud.state import public_keys
from ecsmachine.localcloud.state.model import Instance, KeyPair
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import check_status
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request
from ecsmachine.localcloud.work.instances import Credentials


def create_key_pair(call: Call) -> Answer:
    """CreateKeyPair: the private key is in the answer, and nowhere else."""
    _check_new_name(call)
    private, public = public_keys.new_pair()
    pair = _make_key_pair(call, public)
    return {
        "KeyPairId": pair.key_id,
        "KeyPairName": pair.name,
        "KeyPairFingerPrint": pair.fingerprint,
        "PrivateKeyBody": private,
    }


def import_key_pair(call: Call) -> Answer:
    """ImportKeyPair: a public key that its owner made."""
    body = call.parameters.require("PublicKeyBody")
    _check_new_name(call)
    try:
        public = public_keys.normalized(body)
    except ValueError as error:
        raise refusals.malformed("PublicKeyBody") from error
    pair = _make_key_pair(call, public)
    return {
        "KeyPairName": pair.name,
        "KeyPairFingerPrint": pair.fingerprint,
        "KeyPairId": pair.key_id,
    }


def delete_key_pairs(call: Call) -> None:
    """DeleteKeyPairs: all or none, as one that an instance has is refused; unknown ones pass."""
    region = call.region
    names = _listed(call, "KeyPairNames", most=100)
    attached = {each.key_pair for each in call.state.instances.in_region(region.id)}
    if not attached.isdisjoint(names):
        raise refusals.of("InvalidParameter.KeypairAlreadyAttachedInstance")
    for name in names:
        pair = call.state.key_pairs.find_or_none(name, region=region.id)
        if pair is not None:
            call.state.key_pairs.remove(pair.key_id)


def attach_key_pair(call: Call) -> Answer:
    """AttachKeyPair: in effect at once on a stopped instance, else when it next starts."""
    pair = call.required(call.state.key_pairs, "KeyPairName")

    def attach(instance: Instance) -> None:
        call.state.instances.put(
            replace(instance, key_pair=pair.name, public_key=pair.public_key, has_password=False)
        )
        call.lifecycle.instances.set_credentials(instance.id, Credentials(None, (pair.public_key,)))

    return _each_instance(call, pair.name, attach)


def detach_key_pair(call: Call) -> Answer:
    """DetachKeyPair: the key is taken from the instance when it next starts."""
    pair = call.required(call.state.key_pairs, "KeyPairName")

    def detach(instance: Instance) -> None:
        if instance.key_pair != pair.name:
            raise refusals.of("InvalidKeyPairName.NotAttached")
        call.state.instances.put(replace(instance, key_pair="", public_key=""))
        call.lifecycle.instances.set_credentials(instance.id, Credentials(None, ()))

    return _each_instance(call, pair.name, detach)


def _each_instance(call: Call, name: str, work: Callable[[Instance], None]) -> Answer:
    results = []
    for instance_id in _listed(call, "InstanceIds", most=50):
        result = {
            "InstanceId": instance_id,
            "Success": "true",
            "Code": "200",
            "Message": "successful",
        }
        try:
            instance = call.find(call.state.instances, instance_id)
            check_status(instance, "Running", "Stopped")
            work(instance)
        except ApiError as error:
            result.update(Success="false", Code=error.code, Message=error.message)
        results.append(result)
    return {
        "KeyPairName": name,
        "TotalCount": str(len(results)),
        "FailCount": str(sum(result["Success"] == "false" for result in results)),
        "Results": {"Result": results},
    }


def _listed(call: Call, name: str, *, most: int) -> list[str]:
    """Return the names or ids of a request; raises the refusals of the actions on several."""
    error = refusals.not_supported
    values = call.parameters.json_list(name, most=sys.maxsize, error=error) or []
    if len(values) > most:
        raise refusals.of("InstanceKeyPairLimitExceeded")
    return values


def _check_new_name(call: Call) -> None:
    region = call.region
    name = call.parameters.require("KeyPairName")
    if not valid_name(name):
        raise refusals.malformed("KeyPairName")
    if call.state.key_pairs.find_or_none(name, region=region.id) is not None:
        raise ApiError("KeyPair.AlreadyExist", "The key pair already exist.")
    if len(call.state.key_pairs.in_region(region.id)) >= call.state.offer.quota("key-pairs"):
        raise refusals.QUOTA_OF_KEY_PAIRS()


def _make_key_pair(call: Call, public: str) -> KeyPair:
    region = call.region
    tags = tags_of_request(call.parameters)
    pair = call.state.key_pairs.put(
        KeyPair(
            name=call.parameters.require("KeyPairName"),
            region=region.id,
            key_id=new_id("ssh", region.id),
            fingerprint=public_keys.fingerprint(public),
            public_key=public,
            created=timestamp(),
            resource_group_id=call.parameters.text("ResourceGroupId"),
        )
    )
    put_tags(call.state, "keypair", pair.key_id, region.id, tags)
    return pair


def _pair_view(call: Call, pair: KeyPair) -> dict[str, Any]:
    entry: dict[str, Any] = {
        **api_fields(pair),
        "Tags": ecs_tags(call.state.key_pairs.tags(pair.key_id)),
    }
    if call.parameters.boolean("IncludePublicKey"):
        entry["PublicKey"] = pair.public_key
    return entry


KEY_PAIRS = Listing(
    KeyPair,
    "KeyPairs.KeyPair",
    newest(lambda state: state.key_pairs),
    _pair_view,
    (
        like("KeyPairName", "name"),
        equals("KeyPairFingerPrint", "fingerprint"),
        equals("ResourceGroupId", "resource_group_id"),
        tagged("keypair", "key_id"),
    ),
    most=50,
)
