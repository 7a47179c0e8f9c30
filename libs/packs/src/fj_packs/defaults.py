"""What is told where data sets say nothing: the installation knows."""

from fj_dicom import Peers
from fj_runtime import Sites

from fj_packs.pack import Defaults, Origin


def defaults_of(sites: Sites, peers: Peers, origin: Origin) -> Defaults:
    """What the facts say where the data sets of this sender are silent: the peer's before the site's."""
    site = next((site for site in sites if site.name == origin.site), None)
    patient, accession = (site.issuers.patient, site.issuers.accession) if site else (origin.site, origin.site)
    peer = peers.get(origin.calling_ae_title or "")
    if peer is None:
        return Defaults(patient, accession)
    return Defaults(peer.patient_id_issuer or patient, peer.accession_issuer or accession, peer.station_name)
