"""The way to one destination: MLLP, several connections, what went wrong in our own terms."""

from fj_hl7 import EI, Ack, CannotConnect, MllpClient, NoAnswer, Refused

from ehr_sync_service.domain.delivery import Failure, Fault, Reply


class MllpWire:
    """Sends messages to one destination, at most `connections` at once, one at a time on each connection."""

    def __init__(self, host: str, port: int, *, connections: int, answer_seconds: float) -> None:
        self.connections = connections
        self._clients = [MllpClient(host, port, timeout=answer_seconds) for _ in range(connections)]
        self._free = list(self._clients)

    async def send(self, message: bytes) -> Failure | Reply:
        """The reply when it was accepted (AA, CA). The caller keeps to `connections` messages at once."""
        client = self._free.pop()
        try:
            ack = await client.send(message)
        except CannotConnect as error:
            return Failure(Fault.UNREACHABLE, "no connection", str(error))
        except NoAnswer as error:
            return Failure(Fault.NO_ANSWER, "no answer", str(error))
        except Refused as error:
            return _refused(error)
        else:
            return _reply(ack)
        finally:
            # The one that was used last is used next: while little is sent, one connection carries it all.
            self._free.append(client)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


def _reply(ack: Ack) -> Reply:
    """NA in ORR, ORG or ORI: ORC-2 is the number that the placer gives (table 0119)."""
    for orc in ack.orders:
        number = orc.first(EI, 2)
        if orc.get(1) == "NA" and number is not None and number.value:
            return Reply(number.value, number.authority.namespace or number.authority.universal_id)
    return Reply()


def _refused(error: Refused) -> Failure:
    ack = error.ack
    codes = ", ".join(f"ERR-3 {one.code.value}" for one in ack.errors)
    # Only codes go into facts: the destination's words may name the patient.
    reason = f"answered {ack.code}" + (f" ({codes})" if codes else "")
    words = "; ".join(text for text in (ack.text, *(one.text for one in ack.errors)) if text)
    return Failure(Fault.REFUSED, reason, words)
