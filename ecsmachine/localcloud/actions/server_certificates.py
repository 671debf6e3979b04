"""Server certificates of HTTPS listeners."""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol import clock, refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import checked_description
from ecsmachine.localcloud.state.balancers import ServerCertificate
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.tagging import (
    ecs_tags,
    has_tags,
    put_tags,
    tag_filter,
    tags_of_request,
)
from ecsmachine.localcloud.work.balancers import server_context

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_CERTIFICATES = 100
_MOST_BYTES = 64 * 1024


def upload_server_certificate(call: Call) -> Answer:
    """UploadServerCertificate: a certificate, with its chain, and its key, which fit each other."""
    parameters = call.parameters
    region = call.region
    certificate = parameters.require("ServerCertificate")
    private_key = parameters.require("PrivateKey")
    name = _name(call)
    tags = tags_of_request(parameters)
    if len(call.state.server_certificates.in_region(region.id)) >= MAX_CERTIFICATES:
        raise ApiError("QuotaLimitExceeds.Certificate", "The quota of certificates is exceeded.")
    read = _read(certificate, private_key)
    made = call.state.server_certificates.put(
        ServerCertificate(
            id=f"{call.state.account.id}_{new_id('c', region.id).removeprefix('c-')}",
            region=region.id,
            name=name or _common_name(read),
            certificate=certificate,
            private_key=private_key,
            created=clock.timestamp(),
            resource_group_id=call.resource_group_id,
        )
    )
    put_tags(call.state, "certificate", made.id, region.id, tags)
    view = _view(call, made)
    del view["Tags"]
    return view


def describe_server_certificates(call: Call) -> Answer:
    """DescribeServerCertificates: by id, resource group and tags."""
    parameters = call.parameters
    wanted, group = parameters.text("ServerCertificateId"), parameters.text("ResourceGroupId")
    tags = tag_filter(parameters)
    found = [
        _view(call, each)
        for each in call.state.server_certificates.in_region(call.region.id)
        if wanted in ("", each.id)
        and group in ("", each.resource_group_id)
        and has_tags(call.state.server_certificates.tags(each.id), tags)
    ]
    return {"ServerCertificates": {"ServerCertificate": found}}


def set_server_certificate_name(call: Call) -> None:
    """SetServerCertificateName."""
    found = call.required(call.state.server_certificates, "ServerCertificateId")
    call.state.server_certificates.put(replace(found, name=_name(call)))


def delete_server_certificate(call: Call) -> None:
    """DeleteServerCertificate: one that no listener has."""
    found = call.required(call.state.server_certificates, "ServerCertificateId")
    if any(
        listener.settings.get("ServerCertificateId") == found.id
        for balancer in call.state.load_balancers
        for listener in balancer.listeners
    ):
        raise refusals.of("CertificateAndPrivateKeyIsRefered")
    call.state.server_certificates.remove(found.id)


def _name(call: Call) -> str:
    return checked_description(call.parameters, name="ServerCertificateName", least=1, most=80)


def _read(certificate: str, private_key: str) -> Certificate:
    """Return the certificate; raises ``InvalidParameter`` if the key is not its own."""
    if len(certificate) > _MOST_BYTES or len(private_key) > _MOST_BYTES:
        raise ApiError("InvalidParameter", "The certificate or its private key is too long.")
    try:
        server_context(certificate, private_key)
        return _parsed(certificate)
    except (ssl.SSLError, ValueError):
        raise refusals.of("InvalidParameter#certificate-and-key") from None


def _parsed(certificate: str) -> Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate.encode())


def _common_name(certificate: Certificate) -> str:
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _view(call: Call, certificate: ServerCertificate) -> dict[str, Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    read = _parsed(certificate.certificate)
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        others = [str(name.value) for name in names]
    except x509.ExtensionNotFound:
        others = []
    expires = read.not_valid_after_utc.timestamp()
    return {
        **api_fields(certificate, "ServerCertificate"),
        "Fingerprint": read.fingerprint(hashes.SHA1()).hex(":"),  # noqa: S303  (as SLB tells it)
        "CommonName": _common_name(read),
        "SubjectAlternativeNames": {"SubjectAlternativeName": others},
        "CreateTimeStamp": int(clock.parse(certificate.created) * 1000),
        "ExpireTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
        "ExpireTimeStamp": int(expires * 1000),
        "Tags": ecs_tags(call.state.server_certificates.tags(certificate.id)),
    }
