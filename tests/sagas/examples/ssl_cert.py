"""Examples of the sagas of certificates."""

from __future__ import annotations

from engine.intents.record import CreateRecord
from engine.intents.ssl_cert import DeleteSslCert
from tests.sagas.rig import Rig
from tests.sagas.seed import ACCOUNT, DOMAIN, named


async def _delete(rig: Rig) -> object:
    cert_id, key_ref = named("cert"), str(await rig.vault.put("a private key"))
    fields = {"name": "site", "account_id": ACCOUNT, "domain_id": DOMAIN, "key_ref": key_ref}
    fields |= {"certificate": "PEM", "fingerprint": "AB:CD", "ends_at_ms": 1}
    await rig.engine.decide(CreateRecord(kind="ssl_cert", id=cert_id, fields=fields), rig.by)
    return DeleteSslCert(id=cert_id)


EXAMPLES = {"ssl_cert.delete:1": _delete}
