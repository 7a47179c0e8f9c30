"""Which steps an order is to have: as its placer planned them, else the catalogue's."""

from collections import Counter
from collections.abc import Sequence

from fj_events import CodedConcept, OrderDetails, OrderedStep

from scheduling_service.domain.catalogue import Catalogue, Procedure, Station, StepTemplate


def procedure_of(details: OrderDetails, catalogue: Catalogue) -> tuple[Procedure, str | None]:
    """The procedure, and the reason where it is not the catalogue's. For a single step the order's modality wins."""
    asked = spelled_out(details, catalogue).steps
    if len(details.steps) > 1:
        return _as_ordered(details.model_copy(update={"steps": asked}), catalogue)
    procedure, why = _by_catalogue(details, catalogue)
    if not asked:
        return procedure, why
    return _with_protocol(procedure, [wish.protocol for wish in asked]), why


def _by_catalogue(details: OrderDetails, catalogue: Catalogue) -> tuple[Procedure, str | None]:
    known = catalogue.procedure(details.procedure.code)
    if known is not None and (details.modality is None or len(known.steps) > 1):
        return known, None
    if known is not None and details.modality:
        only = known.steps[0].model_copy(update={"modality": details.modality})
        return known.model_copy(update={"steps": (only,)}), None
    default = catalogue.default
    modality = details.modality or default.modality
    whose = "of the order" if details.modality else "by default"
    return (
        _with_steps(details, None, _by_default(modality, catalogue)),
        f"procedure not in the catalogue: modality {modality} {whose}, {default.duration_minutes} min by default",
    )


def _with_protocol(procedure: Procedure, protocols: Sequence[tuple[CodedConcept, ...]]) -> Procedure:
    """The procedure with what its placer wants done in its steps, where it says so."""
    steps = (
        step.model_copy(update={"protocol": protocol or step.protocol})
        for step, protocol in zip(procedure.steps, protocols, strict=True)
    )
    return procedure.model_copy(update={"steps": tuple(steps)})


def wanted(details: OrderDetails, number: int) -> OrderedStep:
    """What the placer says of a step. An order without steps means all of them, and the first one by its step id."""
    if details.steps:
        return details.steps[number]
    given = details.scheduled_step_id if number == 0 else None
    return OrderedStep(step_id=given, station_ae_title=details.station_ae_title)


def rooms(step: StepTemplate, wish: OrderedStep, site: str, catalogue: Catalogue) -> tuple[Station, ...]:
    """The stations of a site that can do a step; of these only those with the name that the placer gives, if any."""
    able = catalogue.stations_for(step, site)
    return tuple(each for each in able if wish.station_name and each.name == wish.station_name) or able


def text_of(text: str) -> str:
    """As a long string allows (PS3.5 Table 6.2-1)."""
    return text.replace("\\", "/")[:64]


def spelled_out(details: OrderDetails, catalogue: Catalogue) -> OrderDetails:
    """The order with all the catalogue's steps of a procedure of which its placer names one, and not which."""
    if len(details.steps) == 1:
        return details.model_copy(update={"steps": _around(details.steps[0], details, catalogue)})
    times = Counter((step.procedure or details.procedure).code for step in details.steps)
    steps: list[OrderedStep] = []
    for step in details.steps:
        code = (step.procedure or details.procedure).code
        known = catalogue.procedure(code)
        which = step.step_id or step.protocol or step.station_ae_title
        if known is None or which or times[code] > 1:
            steps.append(step)
        else:
            steps += (step.model_copy(update={"modality": each.modality}) for each in known.steps)
    return details.model_copy(update={"steps": tuple(steps)})


def _around(only: OrderedStep, details: OrderDetails, catalogue: Catalogue) -> tuple[OrderedStep, ...]:
    """All steps of an order of which its placer tells one: the first of its modality, all at the station that it names.

    So says an order without steps too, of the first one: how many there are does not depend on how much is told.
    """
    known = catalogue.procedure(details.procedure.code)
    modalities = [step.modality for step in known.steps] if known is not None else []
    if len(modalities) < 2:
        return (only,)
    told = modalities.index(only.modality) if only.modality in modalities else 0
    steps = [OrderedStep(modality=each, station_ae_title=only.station_ae_title) for each in modalities]
    steps[told] = only.model_copy(update={"modality": modalities[told]})
    return tuple(steps)


def _as_ordered(details: OrderDetails, catalogue: Catalogue) -> tuple[Procedure, str]:
    """A step for each of the placer's. What is not said of it is that of its procedure's first of its modality."""
    known = catalogue.procedure(details.procedure.code)
    left: dict[str, list[StepTemplate]] = {}
    steps = []
    for wish in details.steps:
        asked = wish.procedure or details.procedure
        its_own = catalogue.procedure(asked.code)
        same = left.setdefault(asked.code, list(its_own.steps) if its_own is not None else [])
        like = next((each for each in same if wish.modality in {None, each.modality}), None)
        if like is not None:
            same.remove(like)
        step = like or _by_default(wish.modality or details.modality or catalogue.default.modality, catalogue)
        told: dict[str, object] = {"protocol": wish.protocol or step.protocol}
        if wish.procedure is not None:
            told["description"] = step.description or text_of(asked.text or asked.code)
        steps.append(step.model_copy(update=told))
    return _with_steps(details, known, *steps), "the steps that the placer planned"


def _by_default(modality: str, catalogue: Catalogue) -> StepTemplate:
    return StepTemplate(modality=modality, duration_minutes=catalogue.default.duration_minutes)


def _with_steps(details: OrderDetails, known: Procedure | None, *steps: StepTemplate) -> Procedure:
    """The catalogue's procedure with other steps, or one that it does not have."""
    if known is not None:
        return known.model_copy(update={"steps": steps})
    text = text_of(details.procedure.text or details.procedure.code)
    return Procedure(code=details.procedure.code, text=text, steps=steps)
